//! `rxpath review`: asks whether to accept pending snapshots, grouped by what changed.

use std::io::BufRead;

use super::command_line::{Common, Packages, ReviewArguments};
use super::error::CommandError;
use super::{print, show};
use crate::report::{Screen, review_text};
use crate::suite::{Decision, Decisions, Pending, Project, ProjectError, Results, SectionDiff, pending, refresh};

const KEYS: &str = "a accept, r reject, s skip, e decide each alone, l list the snapshots, q quit";

/// Asks for a decision on each group of pending snapshots, or lists them.
pub(crate) fn review(common: &Common, arguments: &ReviewArguments) -> Result<u8, CommandError> {
    let project = Project::open(&common.project(&Packages::default()))?;
    if arguments.refresh {
        return refresh_timings(&project, arguments);
    }
    let all = pending(&project.root)?;
    let screen = Screen::of_output();
    if all.is_empty() {
        print("no pending snapshots: `rxpath run` writes one where a path or timing differs from the accepted one\n")?;
        return Ok(0);
    }
    let results = match &arguments.from {
        Some(file) => Some(Results::load(file)?),
        // Without results, only the reasons of changes are missing.
        None => Results::load(&project.last_results()).ok(),
    };
    let differences: Vec<Vec<SectionDiff>> = all.iter().map(|one| one.differences(results.as_ref())).collect();
    let changes: Vec<_> = all.iter().zip(&differences).map(|(one, differences)| one.changes(differences)).collect();
    let decisions = Decisions::new(&changes);
    if arguments.list {
        show(screen, &review_text::list(&decisions.clone().all(), &all, &differences))?;
        return Ok(0);
    }
    let mut dialog = Dialog { all: &all, differences: &differences, screen, tally: Tally::default() };
    dialog.run(decisions)?;
    let Tally { accepted, rejected } = dialog.tally;
    let left = all.len() - accepted - rejected;
    print(format!("{accepted} accepted, {rejected} rejected, {left} left\n"))?;
    Ok(0)
}

/// Accepts the timings of the last run, or of saved results, that differ within the tolerance.
fn refresh_timings(project: &Project, arguments: &ReviewArguments) -> Result<u8, CommandError> {
    if project.is_catalogue {
        return Err(ProjectError::OnlyCatalogue.into());
    }
    let results = Results::load(arguments.from.as_ref().unwrap_or(&project.last_results()))?;
    let done = refresh(&results, &project.snapshots())?;
    print(review_text::refreshed(&done))?;
    Ok(0)
}

#[derive(Default)]
struct Tally {
    accepted: usize,
    rejected: usize,
}

struct Dialog<'a> {
    all: &'a [Pending],
    differences: &'a [Vec<SectionDiff>],
    screen: Screen,
    tally: Tally,
}

impl Dialog<'_> {
    fn run(&mut self, mut decisions: Decisions) -> Result<(), CommandError> {
        let mut number = 0;
        while let Some(decision) = decisions.next() {
            number += 1;
            let about = number - 1 + decisions.clone().all().len();
            print(self.screen.fit(&review_text::decision(number, about, &decision, self.all, self.differences)))?;
            loop {
                match ask(KEYS)? {
                    Some('a') => {
                        let finished = decisions.accept(&decision);
                        self.accept(&finished)?;
                    }
                    Some('r') => {
                        self.reject(&decision.snapshots)?;
                        decisions.finish(&decision.snapshots);
                    }
                    Some('s') => decisions.finish(&decision.snapshots),
                    Some('e') => {
                        if !self.each(&decision)? {
                            return Ok(());
                        }
                        decisions.finish(&decision.snapshots);
                    }
                    Some('l') => {
                        print(review_text::names(&decision.snapshots, self.all, usize::MAX) + "\n")?;
                        if !decision.elsewhere.is_empty() {
                            let elsewhere = review_text::names(&decision.elsewhere, self.all, usize::MAX);
                            print(format!("also in: {elsewhere}\n"))?;
                        }
                        continue;
                    }
                    Some('q') | None => return Ok(()),
                    Some(_) => continue,
                }
                break;
            }
        }
        Ok(())
    }

    /// Asks for a decision on each snapshot of a group; returns false if the reviewer quits.
    fn each(&mut self, decision: &Decision) -> Result<bool, CommandError> {
        for at in &decision.snapshots {
            print(self.screen.fit(&review_text::alone(&self.all[*at], &self.differences[*at])))?;
            loop {
                match ask("this one alone: a accept, r reject, s skip, q quit")? {
                    Some('a') => self.accept(&[*at])?,
                    Some('r') => self.reject(&[*at])?,
                    Some('s') => {}
                    Some('q') | None => return Ok(false),
                    Some(_) => continue,
                }
                break;
            }
        }
        Ok(true)
    }

    fn accept(&mut self, which: &[usize]) -> Result<(), CommandError> {
        for at in which {
            self.all[*at].accept()?;
            self.tally.accepted += 1;
        }
        print(format!("accepted {}\n", review_text::names(which, self.all, 6)))?;
        Ok(())
    }

    fn reject(&mut self, which: &[usize]) -> Result<(), CommandError> {
        for at in which {
            self.all[*at].reject()?;
            self.tally.rejected += 1;
        }
        print(format!("rejected {}\n", review_text::names(which, self.all, 6)))?;
        Ok(())
    }
}

/// Asks, and returns the first letter of the answer; `None` at the end of the input.
fn ask(keys: &str) -> Result<Option<char>, CommandError> {
    print(format!("{keys}: "))?;
    let mut answer = String::new();
    let length = std::io::stdin().lock().read_line(&mut answer).map_err(CommandError::Terminal)?;
    Ok((length > 0).then(|| answer.trim().chars().next().unwrap_or('?')))
}
