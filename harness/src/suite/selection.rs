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
    #[error("`{name}` is the last part of several cases: choose {}", any_of(.cases.iter().map(String::as_str)))]
    SeveralCases { name: String, cases: Vec<String> },
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
/// A name is that of a case (`recv/tcp-ready`), its last part if no other case has it (`tcp-ready`), a group (`recv` or `recv/`),
/// a sweep (`ready/poll`, without values), or a pattern with `*`.
pub fn choose<'a>(cases: &'a [Case], names: &[String]) -> Result<Vec<&'a Case>, SelectionError> {
    if names.is_empty() {
        return Ok(cases.iter().collect());
    }
    let all: Vec<&CaseName> = cases.iter().map(|case| &case.name).collect();
    let names = names.iter().map(|name| whole(name, &all)).collect::<Result<Vec<_>, _>>()?;
    Ok(cases.iter().filter(|case| names.iter().any(|name| chooses(name, &case.name))).collect())
}

/// The name that a name on the command line stands for.
fn whole(name: &str, cases: &[&CaseName]) -> Result<String, SelectionError> {
    if cases.iter().any(|case| chooses(name, case)) {
        return Ok(name.to_owned());
    }
    let of_case = |case: &&CaseName| match () {
        () if last_part(case) == name => Some(case.to_string()),
        () if last_part(case.base()) == name => Some(case.base().to_owned()),
        () => None,
    };
    let mut found: Vec<String> = cases.iter().filter_map(of_case).collect();
    found.dedup();
    match <[String; 1]>::try_from(found) {
        Ok([one]) => Ok(one),
        Err(cases) if !cases.is_empty() => Err(SelectionError::SeveralCases { name: name.to_owned(), cases }),
        Err(_) => Err(SelectionError::UnknownCase { name: name.to_owned(), near: near(name, cases) }),
    }
}

/// The part of a name after its group.
fn last_part(name: &str) -> &str {
    name.split_once('/').map_or(name, |(_, last)| last)
}

/// Names that are similar to an unknown one as a whole, else those whose last part is.
fn near(name: &str, cases: &[&CaseName]) -> Vec<String> {
    let whole = nearest(name, cases.iter().map(|case| case.base()));
    if !whole.is_empty() {
        return whole.into_iter().map(str::to_owned).collect();
    }
    let last = nearest(last_part(name), cases.iter().map(|case| last_part(case.base())));
    let bases = || cases.iter().map(|case| case.base());
    let with = |last: &'_ str| bases().filter(|base| last_part(base) == last).map(str::to_owned).collect::<Vec<_>>();
    let mut found: Vec<String> = last.into_iter().flat_map(with).collect();
    found.dedup();
    found.truncate(3);
    found
}

/// Whether the file of this `group/name` may hold a case that these names choose. Reading all files would take longer than
/// running one case.
pub(crate) fn may_choose(names: &[String], file: &str) -> bool {
    let may = |name: &String| {
        // A pattern may match the values of a sweep, which are not part of the file's name.
        let base = name.split_once('[').map_or(name.as_str(), |(base, _)| base);
        name.contains('*') || chooses(base, &CaseName::from(file)) || last_part(file) == base
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
            ("tcp-ready", "recv/tcp-ready", true),
            ("poll[connections=10]", "ready/poll", true),
            ("ready", "recv/tcp-ready", false),
        ] {
            assert_eq!(may_choose(&names(wanted), file), read, "{wanted} of {file}");
        }
    }

    #[test]
    fn a_unique_last_part_is_enough_and_suggestions_look_at_it_too() {
        let all = ["ipv6/tcp-ready", "recv/tcp-lowat", "recv/tcp-ready", "ready/poll[n=1]", "ready/poll[n=10]"];
        let all: Vec<CaseName> = all.into_iter().map(CaseName::from).collect();
        let all: Vec<&CaseName> = all.iter().collect();
        let found = |name| whole(name, &all).unwrap_or_else(|error| error.to_string());
        assert_eq!(found("tcp-lowat"), "recv/tcp-lowat");
        assert_eq!(found("poll"), "ready/poll");
        assert_eq!(found("poll[n=10]"), "ready/poll[n=10]");
        assert_eq!(found("recv"), "recv");
        let several = "`tcp-ready` is the last part of several cases: choose `ipv6/tcp-ready` or `recv/tcp-ready`";
        assert_eq!(found("tcp-ready"), several);
        assert!(found("tcp-lowad").contains("(did you mean `recv/tcp-lowat`?)"), "{}", found("tcp-lowad"));
        assert!(found("udp/tcp-redy").contains("`ipv6/tcp-ready` or `recv/tcp-ready`"), "{}", found("udp/tcp-redy"));
        assert!(found("zebra").starts_with("no case is called `zebra`; "), "{}", found("zebra"));
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
