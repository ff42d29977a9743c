//! The dialog of `rxpath review`: one key for each decision. Nothing is changed before it ends.

use std::collections::BTreeMap;
use std::io::{self, Read};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use super::error::CommandError;
use super::print;
use crate::report::{Screen, review_text};
use crate::suite::{Decision, Decisions, Review};

const KEYS: &str = "a accept, r reject, s skip, e each alone, l list, b back, q quit, ? help";
const KEYS_ALONE: &str = "this one alone: a accept, r reject, s skip, b back, q quit";
const HELP: &str = "\
  a  accept: replace the snapshots by what the run found
  r  reject: remove the pending files; the snapshots stay as they are
  s  skip: leave the pending files for later
  e  decide the snapshots of this change one by one
  l  list all snapshots that have the change, one a line
  b  back to the decision before, which is undone
  q  quit: do what was decided so far, and leave the rest pending
  Ctrl-C quits without doing anything
";

/// What a reviewer decided about a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Accept,
    Reject,
}

/// The decisions by the snapshot's index.
pub(super) type Choices = BTreeMap<usize, Choice>;

/// Where the reviewer is.
#[derive(Clone)]
struct State {
    decisions: Decisions,
    choices: Choices,
    /// The number of decisions that are left if all of them are accepted.
    left: usize,
}

/// How the reviewer left a question or a list of questions.
enum Left {
    Done,
    Back,
    Quit,
}

/// Asks for a decision on each change; `None` if the reviewer left with Ctrl-C.
pub(super) fn ask_all(review: &Review, screen: Screen) -> Result<Option<Choices>, CommandError> {
    let mut state = State { decisions: review.undecided(), choices: Choices::new(), left: review.decisions.len() };
    let mut before: Vec<State> = Vec::new();
    while let Some(decision) = state.decisions.next() {
        let place = (before.len() + 1, before.len() + state.left);
        print(screen.fit(&review_text::decision(review, &decision, place)))?;
        let Some(key) = ask(KEYS, "arseblq?")? else { return Ok(None) };
        let current = state.clone();
        match key {
            'a' => {
                let finished = state.decisions.accept(&decision);
                state.left -= 1;
                state.choices.extend(finished.into_iter().map(|at| (at, Choice::Accept)));
            }
            'r' => state.finish(&decision, Some(Choice::Reject)),
            's' => state.finish(&decision, None),
            'e' => match each(review, &decision, screen, &mut state.choices)? {
                Some(Left::Done) => state.finish(&decision, None),
                Some(Left::Back) => {
                    state = current;
                    continue;
                }
                Some(Left::Quit) => break,
                None => return Ok(None),
            },
            'l' => {
                print(review_text::members(review, &decision))?;
                continue;
            }
            'b' => {
                match before.pop() {
                    Some(previous) => state = previous,
                    None => drop(print("this is the first decision\n")?),
                }
                continue;
            }
            'q' => break,
            _ => {
                print(HELP)?;
                continue;
            }
        }
        before.push(current);
    }
    Ok(Some(state.choices))
}

impl State {
    /// Leaves a decision behind, with the same choice for all of its snapshots if there is one.
    fn finish(&mut self, decision: &Decision, choice: Option<Choice>) {
        self.decisions.finish(&decision.snapshots);
        self.left = self.decisions.clone().all().len();
        self.choices.extend(decision.snapshots.iter().filter_map(|at| Some((*at, choice?))));
    }
}

/// Asks for a decision on each snapshot of a change; `None` if the reviewer left with Ctrl-C.
fn each(
    review: &Review,
    decision: &Decision,
    screen: Screen,
    choices: &mut Choices,
) -> Result<Option<Left>, CommandError> {
    let mut next = 0;
    while let Some(at) = decision.snapshots.get(next) {
        print(screen.fit(&review_text::alone(review, *at)))?;
        let Some(key) = ask(KEYS_ALONE, "arsbq")? else { return Ok(None) };
        choices.remove(at);
        match key {
            'a' => drop(choices.insert(*at, Choice::Accept)),
            'r' => drop(choices.insert(*at, Choice::Reject)),
            'b' if next == 0 => return Ok(Some(Left::Back)),
            'b' => {
                next -= 1;
                continue;
            }
            'q' => return Ok(Some(Left::Quit)),
            _ => {}
        }
        next += 1;
    }
    Ok(Some(Left::Done))
}

/// Asks until one of these keys is pressed; `None` for Ctrl-C. The end of the input is `q`.
fn ask(prompt: &str, keys: &str) -> Result<Option<char>, CommandError> {
    let mode = SingleKeys::set();
    print(format!("{prompt}: "))?;
    let key = read_key(keys).map_err(CommandError::Terminal)?;
    drop(mode);
    print(format!("{}\n", key.map_or(String::new(), String::from)))?;
    Ok(key)
}

fn read_key(keys: &str) -> io::Result<Option<char>> {
    const CTRL_C: u8 = 3;
    const CTRL_D: u8 = 4;
    let mut byte = [0];
    loop {
        match io::stdin().lock().read(&mut byte) {
            Ok(0) => return Ok(Some('q')),
            Ok(_) => match byte[0] {
                CTRL_C => return Ok(None),
                CTRL_D => return Ok(Some('q')),
                other if keys.contains(char::from(other)) => return Ok(Some(char::from(other))),
                _ => {}
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Standard input without lines and echo; ends with the value.
struct SingleKeys {
    before: Option<Termios>,
}

impl SingleKeys {
    /// A terminal that cannot be set still gives lines.
    fn set() -> Self {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin).ok();
        if let Some(mut mode) = before.clone() {
            mode.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
            mode.special_codes[SpecialCodeIndex::VMIN] = 1;
            mode.special_codes[SpecialCodeIndex::VTIME] = 0;
            let _ = tcsetattr(&stdin, OptionalActions::Now, &mode);
        }
        Self { before }
    }
}

impl Drop for SingleKeys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}
