//! `rxpath review`: accepts or rejects pending snapshots, grouped by what changed.

use std::collections::BTreeSet;
use std::io::IsTerminal;

use super::command_line::{Common, Packages, ReviewArguments};
use super::error::CommandError;
use super::review_dialog::{Choice, Choices, ask_all};
use super::{print, show};
use crate::output::warn;
use crate::report::{Screen, review_json, review_text};
use crate::suite::{Project, ProjectError, Results, Review, ReviewError, refresh};

/// Lists the pending snapshots, decides those that the command line names, or asks for a decision on each change.
pub(crate) fn review(common: &Common, arguments: &ReviewArguments) -> Result<u8, CommandError> {
    let project = Project::open(&common.project(&Packages::default()))?;
    if arguments.refresh {
        return refresh_timings(&project, arguments);
    }
    let results = match &arguments.from {
        Some(file) => Some(Results::load(file)?),
        // Without results, only the reasons of changes are missing.
        None => Results::load(&project.last_results()).ok(),
    };
    let review = Review::open(&project.root, results.as_ref())?;
    let screen = Screen::of_output();
    if arguments.is_decision() {
        apply(&review, &named(&review, arguments)?)?;
    } else if arguments.json {
        print(serde_json::to_string_pretty(&review_json::review(&review))? + "\n")?;
    } else if review.all.is_empty() {
        print("no pending snapshots: `rxpath run` writes one where a path or timing differs from the accepted one\n")?;
    } else if arguments.list {
        show(screen, &review_text::list(&review))?;
    } else if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        match ask_all(&review, screen)? {
            Some(choices) => apply(&review, &choices)?,
            None => drop(print("nothing was accepted or rejected\n")?),
        }
    } else {
        show(screen, &review_text::list(&review))?;
        warn(
            "nothing was decided, because there is no terminal to ask on: use --accept PATTERN, --accept-change LETTER or --reject \
             PATTERN",
        );
    }
    Ok(0)
}

impl ReviewArguments {
    fn is_decision(&self) -> bool {
        [&self.accept, &self.accept_change, &self.reject].iter().any(|names| !names.is_empty())
    }
}

/// The choices that the command line makes.
fn named(review: &Review, arguments: &ReviewArguments) -> Result<Choices, ReviewError> {
    let matching = |patterns: &[String]| -> Result<BTreeSet<usize>, ReviewError> {
        let found = patterns.iter().map(|pattern| review.matching(pattern)).collect::<Result<Vec<_>, _>>()?;
        Ok(found.into_iter().flatten().collect())
    };
    let (mut accepted, rejected) = (matching(&arguments.accept)?, matching(&arguments.reject)?);
    accepted.extend(review.with_changes(&arguments.accept_change)?);
    if let Some(both) = accepted.intersection(&rejected).next() {
        return Err(ReviewError::Both { snapshot: review_text::name(&review.all[*both]) });
    }
    let choices = |which: BTreeSet<usize>, choice| which.into_iter().map(move |at| (at, choice));
    Ok(choices(accepted, Choice::Accept).chain(choices(rejected, Choice::Reject)).collect())
}

/// Does what was decided, and prints a line for each snapshot.
fn apply(review: &Review, choices: &Choices) -> Result<(), CommandError> {
    for (at, choice) in choices {
        let one = &review.all[*at];
        let done = match choice {
            Choice::Accept => one.accept().map(|()| "accepted")?,
            Choice::Reject => one.reject().map(|()| "rejected")?,
        };
        print(format!("{done} {}\n", review_text::name(one)))?;
    }
    let accepted = choices.values().filter(|choice| **choice == Choice::Accept).count();
    let (rejected, left) = (choices.len() - accepted, review.all.len() - choices.len());
    print(format!("{accepted} accepted, {rejected} rejected, {left} left\n"))?;
    Ok(())
}

/// Accepts the timings of the last run, or of saved results, that differ within the tolerance.
fn refresh_timings(project: &Project, arguments: &ReviewArguments) -> Result<u8, CommandError> {
    if project.is_catalogue {
        return Err(ProjectError::OnlyCatalogue.into());
    }
    let results = Results::load(arguments.from.as_ref().unwrap_or(&project.last_results()))?;
    print(review_text::refreshed(&refresh(&results, &project.snapshots())?))?;
    Ok(0)
}
