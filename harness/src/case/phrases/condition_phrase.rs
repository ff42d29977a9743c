//! Parses the conditions of `when:`.

use super::{PhraseError, size};

/// A condition that a step waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConditionPhrase {
    /// `receiver sleeps`, `receiver sleeps in recv`.
    Sleeps { actor: String, step: Option<String> },
    /// `queue of server holds 64`.
    QueueHolds {
        socket: String,
        /// The least number of bytes.
        bytes: u32,
    },
    /// `everything of client is acknowledged`.
    Acknowledged { socket: String },
    /// `client is readable`, `client has hung up`, `client has an error`.
    Ready {
        socket: String,
        /// Events of poll(2).
        events: i16,
    },
    /// `client is in TCP_CLOSE_WAIT`.
    TcpState {
        socket: String,
        /// The name of the state: TCP_….
        state: String,
    },
}

/// The forms of a condition.
const CONDITION_FORMS: &[&str] = &[
    "ACTOR sleeps",
    "ACTOR sleeps in STEP",
    "queue of SOCKET holds BYTES",
    "everything of SOCKET is acknowledged",
    "SOCKET is readable",
    "SOCKET has hung up",
    "SOCKET has an error",
    "SOCKET is in TCP_STATE",
];

/// Parses one condition of `when:`.
pub(crate) fn condition(text: &str) -> Result<ConditionPhrase, PhraseError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [actor, "sleeps"] => Ok(ConditionPhrase::Sleeps { actor: (*actor).to_owned(), step: None }),
        [actor, "sleeps", "in", step] => {
            Ok(ConditionPhrase::Sleeps { actor: (*actor).to_owned(), step: Some((*step).to_owned()) })
        }
        ["queue", "of", socket, "holds", bytes] | ["queue", "of", socket, "holds", bytes, "bytes"] => {
            let bytes = size(bytes).and_then(|bytes| u32::try_from(bytes).ok());
            let bytes = bytes.ok_or_else(|| {
                PhraseError::new(
                    words[4],
                    format!("`{}` is not a number of bytes", words[4]),
                    "expected a size such as 64 or 4K",
                )
            })?;
            Ok(ConditionPhrase::QueueHolds { socket: (*socket).to_owned(), bytes })
        }
        ["everything", "of", socket, "is", "acknowledged"] => {
            Ok(ConditionPhrase::Acknowledged { socket: (*socket).to_owned() })
        }
        [socket, "is", "readable"] => Ok(ConditionPhrase::Ready { socket: (*socket).to_owned(), events: libc::POLLIN }),
        [socket, "has", "an", "error"] => {
            Ok(ConditionPhrase::Ready { socket: (*socket).to_owned(), events: libc::POLLERR })
        }
        [socket, "has", "hung", "up"] => {
            Ok(ConditionPhrase::Ready { socket: (*socket).to_owned(), events: libc::POLLRDHUP | libc::POLLHUP })
        }
        [socket, "is", "in", state] => {
            Ok(ConditionPhrase::TcpState { socket: (*socket).to_owned(), state: (*state).to_owned() })
        }
        _ => {
            let forms: Vec<_> = CONDITION_FORMS.iter().map(|form| format!("`{form}`")).collect();
            let message = format!("`{text}` is not a condition");
            let help = Some(format!("valid forms: {}", forms.join(", ")));
            Err(PhraseError { help, ..PhraseError::new("", message, "not a valid form") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_the_help_lists_is_valid() {
        for form in CONDITION_FORMS {
            let text = form.replace("BYTES", "4K").replace("TCP_STATE", "TCP_LISTEN");
            assert!(condition(&text).is_ok(), "{form}");
        }
        let help = condition("x").unwrap_err().help.unwrap();
        assert!(CONDITION_FORMS.iter().all(|form| help.contains(&format!("`{form}`"))), "{help}");
    }
}
