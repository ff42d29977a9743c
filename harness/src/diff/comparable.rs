//! What can be compared with what, and the refusal of anything else.

use std::fmt;

/// How a timing came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Instructions of a deterministic guest.
    Exact,
    /// Nanoseconds of a real processor.
    Native,
}

/// One side of a comparison, apart from its paths and timings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The kernel's name.
    pub kernel: String,
    /// The case's name, with its group.
    pub case: String,
    /// What was left out: [`crate::path::Filter::label`].
    pub profile: String,
    /// How it was timed; `None` if only paths are compared.
    pub timed: Option<Mode>,
    /// Why there is nothing to compare on this side: no steady path, lost events, a crashed guest. `None` if there is.
    pub inconclusive: Option<String>,
}

/// All reasons why two sides cannot be compared; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reasons, in words.
    pub reasons: Vec<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot compare: {}", self.reasons.join("; "))
    }
}

impl std::error::Error for Refusal {}

/// Whether two sides can be compared.
pub fn comparable(old: &Origin, new: &Origin) -> Result<(), Refusal> {
    let mut reasons = Vec::new();
    if old.case != new.case {
        reasons.push(format!("the old side is of case {}, the new one of {}", old.case, new.case));
    }
    if old.profile != new.profile {
        let (old, new) = (&old.profile, &new.profile);
        reasons.push(format!("the old side leaves out {old:?}, the new one {new:?}: run both with the same profile"));
    }
    match (old.timed, new.timed) {
        (Some(Mode::Exact), Some(Mode::Native)) => {
            reasons.push("the old timing is exact (instructions), the new one native (nanoseconds)".to_owned());
        }
        (Some(Mode::Native), Some(Mode::Exact)) => {
            reasons.push("the old timing is native (nanoseconds), the new one exact (instructions)".to_owned());
        }
        _ => {}
    }
    for (side, origin) in [("old", old), ("new", new)] {
        if let Some(why) = &origin.inconclusive {
            reasons.push(format!("the {side} side ({}) is inconclusive: {why}", origin.kernel));
        }
    }
    if reasons.is_empty() { Ok(()) } else { Err(Refusal { reasons }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(kernel: &str) -> Origin {
        Origin {
            kernel: kernel.to_owned(),
            case: "recv/tcp-blocking".to_owned(),
            profile: "locks,rcu".to_owned(),
            timed: Some(Mode::Exact),
            inconclusive: None,
        }
    }

    #[test]
    fn the_same_case_on_two_kernels_can_be_compared() {
        assert_eq!(comparable(&origin("5.10"), &origin("7.3")), Ok(()));
        assert_eq!(comparable(&origin("5.10"), &Origin { timed: None, ..origin("7.3") }), Ok(()));
    }

    #[test]
    fn every_reason_against_a_comparison_is_told_at_once() {
        let new = Origin {
            case: "recv/udp".to_owned(),
            profile: "rcu".to_owned(),
            timed: Some(Mode::Native),
            inconclusive: Some("3 of 32 iterations agree".to_owned()),
            ..origin("7.3")
        };
        let refusal = comparable(&origin("5.10"), &new).unwrap_err();
        assert_eq!(refusal.reasons.len(), 4);
        let text = refusal.to_string();
        for part in ["recv/udp", "\"rcu\"", "native", "the new side (7.3) is inconclusive: 3 of 32"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
