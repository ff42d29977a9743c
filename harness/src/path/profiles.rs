//! Profiles: named groups of functions that a path leaves out.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use thiserror::Error;

use super::contexts::DataFileError;
use super::{Patterns, canonical};

/// The profile of a case that names none.
pub const DEFAULT_PROFILE: &str = "default";

/// All groups and profiles of `profiles.yaml`.
#[derive(Clone, Debug)]
pub struct Profiles {
    groups: BTreeMap<String, Group>,
    profiles: BTreeMap<String, Vec<String>>,
    milestones: Vec<String>,
}

/// One group of functions that can be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// What the functions have in common.
    pub description: String,
    /// Patterns of functions that go with everything they call.
    #[serde(default)]
    pub subtree: Vec<String>,
    /// Patterns of functions whose callees move up into their place.
    #[serde(default)]
    pub splice: Vec<String>,
    /// Patterns of functions that go with everything they call, unless the task slept in them.
    #[serde(default)]
    pub preempted: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfilesFile {
    groups: BTreeMap<String, Group>,
    profiles: BTreeMap<String, Vec<String>>,
    milestones: Vec<String>,
}

/// A case asked for a profile or group that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no profile or group of functions is called {asked:?}: expected one of {known}")]
pub struct UnknownProfile {
    /// What was asked for.
    pub asked: String,
    /// What there is, separated by commas.
    pub known: String,
}

/// What one case's paths leave out.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    groups: BTreeSet<String>,
    subtree: Patterns,
    splice: Patterns,
    preempted: Patterns,
    hides_preemption: bool,
    milestones: Patterns,
    expected: Patterns,
}

/// What becomes of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// It is a line of the path.
    Shown,
    /// It is a line of the path even where everything around it is left out, because the case expects it.
    Expected,
    /// What it calls takes its place.
    Inlined,
    /// It goes with everything it calls.
    Hidden,
}

impl Profiles {
    /// The profiles that rxpath was built with.
    pub fn embedded() -> Result<Self, DataFileError> {
        Self::from_yaml(include_str!("profiles.yaml"))
    }

    /// Profiles from the text of a file like `profiles.yaml`.
    pub fn from_yaml(text: &str) -> Result<Self, DataFileError> {
        let fail = |reason| DataFileError { file: "profiles.yaml", reason };
        let file: ProfilesFile = serde_yaml::from_str(text).map_err(|error| fail(error.to_string()))?;
        for (profile, groups) in &file.profiles {
            if file.groups.contains_key(profile) {
                return Err(fail(format!("{profile:?} is the name of a group and of a profile")));
            }
            if let Some(unknown) = groups.iter().find(|group| !file.groups.contains_key(*group)) {
                return Err(fail(format!("profile {profile:?} names {unknown:?}, which is no group")));
            }
        }
        if !file.profiles.contains_key(DEFAULT_PROFILE) {
            return Err(fail(format!("it has no profile {DEFAULT_PROFILE:?}")));
        }
        Ok(Self { groups: file.groups, profiles: file.profiles, milestones: file.milestones })
    }

    /// The groups by name.
    pub fn groups(&self) -> &BTreeMap<String, Group> {
        &self.groups
    }

    /// The profiles by name, each with its groups.
    pub fn profiles(&self) -> &BTreeMap<String, Vec<String>> {
        &self.profiles
    }

    /// The names that a case can choose: profiles, then groups.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().chain(self.groups.keys()).map(String::as_str)
    }

    /// Resolves what a case chose and expects.
    ///
    /// `chosen` holds names of profiles and groups, taken in order; a `-` before a name takes its groups out again. If none
    /// is chosen, or the first one is taken out, [`DEFAULT_PROFILE`] comes before them. `expected` holds the functions that
    /// the case expects (names or prefixes with a `*`): they are shown in any case.
    pub fn select<C: AsRef<str>, E: AsRef<str>>(&self, chosen: &[C], expected: &[E]) -> Result<Filter, UnknownProfile> {
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
            groups: groups.iter().map(|group| (*group).clone()).collect(),
            milestones: Patterns::new(&self.milestones),
            expected: Patterns::new(expected.iter().map(|name| canonical(name.as_ref()))),
            ..Filter::default()
        };
        for group in groups.into_iter().map(|group| &self.groups[group]) {
            filter.subtree.extend(&Patterns::new(&group.subtree));
            filter.splice.extend(&Patterns::new(&group.splice));
            filter.preempted.extend(&Patterns::new(&group.preempted));
            filter.hides_preemption |= !group.preempted.is_empty();
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
    /// What becomes of the function with this canonical name.
    pub fn visibility(&self, name: &str) -> Visibility {
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

    /// Whether the function goes with everything it calls unless the task slept in it.
    pub fn goes_unless_slept(&self, name: &str) -> bool {
        self.preempted.matches(name)
    }

    /// Whether preemptions are left out.
    pub fn hides_preemption(&self) -> bool {
        self.hides_preemption
    }

    /// Whether the case expects the function.
    pub fn is_expected(&self, name: &str) -> bool {
        self.expected.matches(name)
    }

    /// The groups that are left out, sorted and separated by commas. Paths with different ones cannot be compared.
    pub fn label(&self) -> String {
        self.groups.iter().map(String::as_str).collect::<Vec<_>>().join(",")
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
        assert_eq!(filter.label(), select(&["default"], &[]).label());
    }

    #[test]
    fn groups_are_added_and_taken_out_in_order() {
        assert_eq!(select(&["-locks"], &[]).visibility("_raw_spin_lock_bh"), Visibility::Shown);
        assert_eq!(select(&["-locks"], &[]).visibility("rcu_read_lock"), Visibility::Hidden);
        assert_eq!(select(&["everything", "locks"], &[]).label(), "locks,tracing");
        assert_eq!(select(&["default", "-default", "rcu"], &[]).label(), "rcu");
    }

    #[test]
    fn what_a_case_expects_is_shown_whatever_hides_it() {
        assert_eq!(select(&[], &["kfree"]).visibility("kfree"), Visibility::Expected);
        assert_eq!(select(&[], &["ip_rcv_core.isra.0"]).visibility("ip_rcv_core"), Visibility::Expected);
    }

    #[test]
    fn milestones_are_never_hidden_by_any_group() {
        let profiles = Profiles::embedded().unwrap();
        let all: Vec<&String> = profiles.groups().keys().collect();
        let filter = profiles.select(&all, &[] as &[&str]).unwrap();
        for milestone in &profiles.milestones {
            assert_eq!(filter.visibility(milestone.trim_end_matches('*')), Visibility::Shown, "{milestone}");
        }
    }

    #[test]
    fn unknown_names_are_refused_with_what_there_is() {
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
        assert_eq!(error, "profiles.yaml cannot be used: profile \"default\" names \"x\", which is no group");
    }
}
