//! Profiles: named groups of functions that a path leaves out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;
use thiserror::Error;

use super::data_file::{self, DataFileError};
use super::{Patterns, canonical};

/// The profile of a case that names none.
pub(crate) const DEFAULT_PROFILE: &str = "default";

/// The contents of `profiles.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profiles {
    groups: BTreeMap<String, Group>,
    profiles: BTreeMap<String, Vec<String>>,
    milestones: Vec<String>,
}

/// A group of functions that can be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    /// What the functions have in common, for the reader of the file.
    #[serde(rename = "description")]
    _description: String,
    /// Patterns of functions that are hidden with everything they call.
    #[serde(default)]
    subtree: Patterns,
    /// Patterns of functions that are hidden, while what they call moves up one level.
    #[serde(default)]
    splice: Patterns,
    /// Patterns of functions that are hidden with everything they call, unless the task slept in them.
    #[serde(default)]
    preempted: Patterns,
}

/// A case chose a profile or group that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no profile or group of functions is called {asked:?}: expected one of {known}")]
pub(crate) struct UnknownProfile {
    pub asked: String,
    /// The names of all profiles and groups, separated by commas.
    pub known: String,
}

/// What the paths of one case leave out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    subtree: Patterns,
    splice: Patterns,
    preempted: Patterns,
    milestones: Patterns,
    expected: Patterns,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    Shown,
    /// It is shown even beneath hidden functions, because the case expects it.
    Expected,
    /// Only what it calls is shown, one level higher.
    Inlined,
    /// It is hidden with everything it calls.
    Hidden,
}

impl Profiles {
    /// The profiles in the binary.
    pub(crate) fn embedded() -> Result<&'static Self, &'static DataFileError> {
        static PROFILES: LazyLock<Result<Profiles, DataFileError>> =
            LazyLock::new(|| Profiles::from_yaml(include_str!("profiles.yaml")));
        PROFILES.as_ref()
    }

    pub(crate) fn from_yaml(text: &str) -> Result<Self, DataFileError> {
        let file: Self = data_file::parse("profiles.yaml", text)?;
        for (profile, groups) in &file.profiles {
            if file.groups.contains_key(profile) {
                return Err(DataFileError::AmbiguousProfile(profile.clone()));
            }
            if let Some(unknown) = groups.iter().find(|group| !file.groups.contains_key(*group)) {
                return Err(DataFileError::UnknownGroup { profile: profile.clone(), group: unknown.clone() });
            }
        }
        if !file.profiles.contains_key(DEFAULT_PROFILE) {
            return Err(DataFileError::NoProfile(DEFAULT_PROFILE));
        }
        Ok(file)
    }

    /// The names that a case can choose: profiles, then groups.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().chain(self.groups.keys()).map(String::as_str)
    }

    /// Resolves what a case chose and expects.
    ///
    /// `chosen` contains names of profiles and groups, applied in order; a `-` before a name removes its groups. If it
    /// is empty, or its first name has a `-`, [`DEFAULT_PROFILE`] is applied first. `expected` contains the functions
    /// that the case expects (names, or prefixes with a `*`): they are always shown.
    pub(crate) fn select<C: AsRef<str>, E: AsRef<str>>(
        &self,
        chosen: &[C],
        expected: &[E],
    ) -> Result<Filter, UnknownProfile> {
        let mut groups: BTreeSet<&String> = BTreeSet::new();
        if chosen.first().is_none_or(|first| first.as_ref().starts_with('-')) {
            groups.extend(&self.profiles[DEFAULT_PROFILE]);
        }
        for name in chosen.iter().map(AsRef::as_ref) {
            match name.strip_prefix('-') {
                Some(name) => self.groups_of(name)?.into_iter().for_each(|group| _ = groups.remove(group)),
                None => groups.extend(self.groups_of(name)?),
            }
        }
        let mut filter = Filter {
            milestones: Patterns::new(&self.milestones),
            expected: Patterns::new(expected.iter().map(|name| canonical(name.as_ref()))),
            ..Filter::default()
        };
        for group in groups.into_iter().map(|group| &self.groups[group]) {
            filter.subtree.extend(&group.subtree);
            filter.splice.extend(&group.splice);
            filter.preempted.extend(&group.preempted);
        }
        Ok(filter)
    }

    fn groups_of<'a>(&'a self, name: &str) -> Result<Vec<&'a String>, UnknownProfile> {
        if let Some(groups) = self.profiles.get(name) {
            return Ok(groups.iter().collect());
        }
        if let Some((group, _)) = self.groups.get_key_value(name) {
            return Ok(vec![group]);
        }
        let known: Vec<&str> = self.names().collect();
        Err(UnknownProfile { asked: name.to_owned(), known: known.join(", ") })
    }
}

impl Filter {
    /// How paths show the function with this canonical name.
    pub(crate) fn visibility(&self, name: &str) -> Visibility {
        if self.expected.matches(name) {
            Visibility::Expected
        } else if self.milestones.matches(name) {
            Visibility::Shown
        } else if self.splice.matches(name) {
            Visibility::Inlined
        } else if self.subtree.matches(name) {
            Visibility::Hidden
        } else {
            Visibility::Shown
        }
    }

    /// Whether the function is hidden with everything it calls unless the task slept in it.
    pub(crate) fn hides_unless_slept(&self, name: &str) -> bool {
        self.preempted.matches(name)
    }

    pub(crate) fn hides_preemption(&self) -> bool {
        !self.preempted.is_empty()
    }

    pub(crate) fn is_expected(&self, name: &str) -> bool {
        self.expected.matches(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(chosen: &[&str], expected: &[&str]) -> Filter {
        Profiles::embedded().unwrap().select(chosen, expected).unwrap()
    }

    #[test]
    fn no_choice_means_the_default_profile() {
        let filter = select(&[], &[]);
        assert_eq!(filter.visibility("_raw_spin_lock_bh"), Visibility::Hidden);
        assert_eq!(filter.visibility("x64_sys_call"), Visibility::Inlined);
        assert_eq!(filter.visibility("__x64_sys_recvfrom"), Visibility::Shown);
    }

    #[test]
    fn the_lock_of_a_run_queue_is_hidden_like_other_locks() {
        for name in ["raw_spin_rq_lock_nested", "raw_spin_rq_trylock", "raw_spin_rq_unlock"] {
            assert_eq!(select(&[], &[]).visibility(name), Visibility::Hidden, "{name}");
        }
    }

    #[test]
    fn groups_are_added_and_removed_in_order() {
        assert_eq!(select(&["-locks"], &[]).visibility("_raw_spin_lock_bh"), Visibility::Shown);
        assert_eq!(select(&["-locks"], &[]).visibility("rcu_read_lock"), Visibility::Hidden);
        assert_eq!(select(&["everything", "locks"], &[]).visibility("_raw_spin_lock_bh"), Visibility::Hidden);
        assert_eq!(select(&["everything", "locks"], &[]).visibility("rcu_read_lock"), Visibility::Shown);
        assert_eq!(select(&["default", "-default", "rcu"], &[]).visibility("_raw_spin_lock_bh"), Visibility::Shown);
        assert_eq!(select(&["default", "-default", "rcu"], &[]).visibility("rcu_read_lock"), Visibility::Hidden);
    }

    #[test]
    fn an_expected_function_is_shown_whatever_hides_it() {
        assert_eq!(select(&[], &["kfree"]).visibility("kfree"), Visibility::Expected);
        assert_eq!(select(&[], &["ip_rcv_core.isra.0"]).visibility("ip_rcv_core"), Visibility::Expected);
    }

    #[test]
    fn milestones_are_never_hidden_by_any_group() {
        let profiles = Profiles::embedded().unwrap();
        let all: Vec<&String> = profiles.groups.keys().collect();
        let filter = profiles.select(&all, &[] as &[&str]).unwrap();
        for milestone in &profiles.milestones {
            assert_eq!(filter.visibility(milestone.trim_end_matches('*')), Visibility::Shown, "{milestone}");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let error = Profiles::embedded().unwrap().select(&["lokcs"], &[] as &[&str]).unwrap_err().to_string();
        assert!(
            error.contains("\"lokcs\"") && error.contains("default, everything") && error.contains("locks"),
            "{error}"
        );
    }

    #[test]
    fn a_profile_of_unknown_groups_is_refused() {
        let text = "groups: {}\nprofiles: {default: [x]}\nmilestones: []\n";
        let error = Profiles::from_yaml(text).unwrap_err().to_string();
        assert_eq!(error, "profiles.yaml: profile \"default\" contains \"x\", which is not a group");
    }
}
