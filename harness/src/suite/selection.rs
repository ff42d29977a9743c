//! The cases that the command line chooses.

use crate::case::{Case, CaseName};
use crate::nearest::{any_of, nearest};
use crate::wildcard;

/// A name on the command line that chooses no case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    #[error("no case is called `{name}`{}; `rxpath cases list` lists all", did_you_mean(.near))]
    UnknownCase {
        name: String,
        /// Similar names.
        near: Vec<String>,
    },
}

fn did_you_mean(near: &[String]) -> String {
    if near.is_empty() {
        String::new()
    } else {
        format!(" (did you mean {}?)", any_of(near.iter().map(String::as_str)))
    }
}

/// The cases that these names choose; all cases if there is no name.
///
/// A name is that of a case (`recv/tcp-ready`), a group (`recv` or `recv/`), a sweep (`ready/poll`, without values), or a
/// pattern with `*`.
pub fn choose<'a>(cases: &'a [Case], names: &[String]) -> Result<Vec<&'a Case>, SelectionError> {
    if names.is_empty() {
        return Ok(cases.iter().collect());
    }
    for name in names {
        if !cases.iter().any(|case| chooses(name, &case.name)) {
            let near = nearest(name, cases.iter().map(|case| case.name.as_str()));
            let near = near.into_iter().map(str::to_owned).collect();
            return Err(SelectionError::UnknownCase { name: name.clone(), near });
        }
    }
    Ok(cases.iter().filter(|case| names.iter().any(|name| chooses(name, &case.name))).collect())
}

/// Whether the file of this `group/name` may hold a case that these names choose. Reading all files would take longer than
/// running one case.
pub(crate) fn may_choose(names: &[String], file: &str) -> bool {
    let may = |name: &String| {
        // A pattern may match the values of a sweep, which are not part of the file's name.
        name.contains('*') || chooses(CaseName::from(name.as_str()).base(), &CaseName::from(file))
    };
    names.iter().any(may)
}

pub(crate) fn chooses(wanted: &str, case: &CaseName) -> bool {
    *case == wanted
        || wanted == case.base()
        || wanted.trim_end_matches('/') == case.group()
        || wildcard::matches(wanted, case)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_if_one_of_its_cases_may_be_chosen() {
        let names = |name: &str| vec![name.to_owned()];
        for (wanted, file, read) in [
            ("recv/tcp-ready", "recv/tcp-ready", true),
            ("recv/tcp-ready", "recv/tcp-blocking", false),
            ("recv", "recv/tcp-ready", true),
            ("ready/poll[connections=10]", "ready/poll", true),
            ("*connections=10]", "ready/poll", true),
        ] {
            assert_eq!(may_choose(&names(wanted), file), read, "{wanted} of {file}");
        }
    }

    #[test]
    fn a_name_chooses_a_case_a_group_a_sweep_or_the_matches_of_a_pattern() {
        for (wanted, case, chosen) in [
            ("recv/tcp-ready", "recv/tcp-ready", true),
            ("recv", "recv/tcp-ready", true),
            ("recv/", "recv/tcp-ready", true),
            ("rec", "recv/tcp-ready", false),
            ("ready/poll", "ready/poll[connections=10]", true),
            ("*/tcp-*", "recv/tcp-ready", true),
            ("recv/*block*", "recv/tcp-blocking", true),
            ("*ready", "recv/tcp-blocking", false),
        ] {
            assert_eq!(chooses(wanted, &case.into()), chosen, "{wanted} of {case}");
        }
    }
}
