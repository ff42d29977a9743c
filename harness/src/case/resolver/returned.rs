//! Resolves what is expected of what operations return beside their values.

use rxpath_guest::{Address, Op, UringRequest};

use super::Resolver;
use crate::case::arguments::{Argument, Endpoint, Scope};
use crate::case::case::CaseActor;
use crate::case::constants;
use crate::case::control::{self, ExpectedControl};
use crate::case::expectation::{Context, DataPart, ExpectedData, ExpectedEvents};
use crate::case::findings::Underline;
use crate::case::gate::Gated;
use crate::case::key_path::KeyPath;
use crate::case::phrases::{self, PhraseError};
use crate::case::received::sent_by;
use crate::case::step_ref::StepRef;
use crate::case::yaml_types::{OneOrMany, Text};

/// What is known of a step, for the expectations that refer to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepTraits {
    /// How many bytes of its own it sends, if it sends any.
    sends: Option<usize>,
    /// What it returns beside its value, by the keys of expectations.
    returns: &'static [&'static str],
    /// Whether it read(2)s a packet or a file.
    pub(super) reads_packets: bool,
}

impl StepTraits {
    pub(super) fn of(op: &Op) -> Self {
        let returns: &[&str] = match op {
            Op::Recv { .. }
            | Op::Read { .. }
            | Op::ReadPacket { .. }
            | Op::Readv { .. }
            | Op::ZerocopyReceive { .. }
            | Op::Uring(UringRequest::Recv { .. } | UringRequest::RecvMultishot { .. }) => &["data", "lengths"],
            Op::RecvFrom { .. } => &["data", "lengths", "from"],
            Op::RecvMsg { .. } => &["data", "lengths", "from", "flags", "control"],
            Op::RecvMmsg { .. } => &["data", "lengths", "flags"],
            Op::Poll { .. } | Op::Select { .. } | Op::EpollWait { .. } => &["events"],
            _ => &[],
        };
        let reads_packets = matches!(op, Op::Read { .. } | Op::ReadPacket { .. });
        Self { sends: sent_by(op), returns, reads_packets }
    }

    /// Those of all steps.
    pub(super) fn of_all(actors: &[CaseActor]) -> impl Iterator<Item = (StepRef, Self)> {
        (0..).zip(actors).flat_map(|(actor, body)| {
            let steps = (0..).zip(&body.steps);
            steps.map(move |(step, body)| (StepRef { actor, step }, Self::of(&body.step.op)))
        })
    }
}

impl Resolver<'_> {
    /// Reports an expectation of something that the context's operations do not return.
    pub(super) fn check_returned(&mut self, context: &Context, key: &str, place: &KeyPath) {
        let steps = match context {
            Context::Operation { actor, step } => vec![StepRef { actor: *actor, step: *step }],
            Context::OneOf(steps) => steps.clone(),
            _ => {
                let message = format!("`{key}` can be expected only of an operation");
                let label = "not of an interrupt or another task";
                return self.findings.add(place, Underline::Key, message, label, None);
            }
        };
        for step in steps {
            let Some(traits) = self.traits.get(&step).filter(|traits| !traits.returns.contains(&key)) else { continue };
            let (actor, names) = self.steps.get_index(usize::from(step.actor)).unzip();
            let name = names.and_then(|names: &Vec<String>| names.get(usize::from(step.step)));
            let name = format!("{}.{}", actor.map_or("?", String::as_str), name.map_or("?", String::as_str));
            let which = match key {
                "data" | "lengths" => "only operations that receive do",
                "from" => "only recvfrom and recvmsg do",
                "flags" => "only recvmsg and recvmmsg do",
                "control" => "only recvmsg does",
                _ => "only poll, ppoll, select, pselect and epoll_wait do",
            };
            let message = format!("`{name}` does not return {key}");
            let help = match traits.returns {
                [] => None,
                returns => Some(format!("of this operation, {} can be expected", returns.join(", "))),
            };
            self.findings.add(place, Underline::Key, message, which, help);
        }
    }

    /// Resolves `client`, `127.0.0.1:80` and `none`.
    pub(super) fn senders_address(&mut self, texts: &OneOrMany<Text>, place: &KeyPath) -> Vec<Gated<Option<Address>>> {
        self.gated(texts, place, |this, text, place| {
            if text == "none" {
                return Ok(None);
            }
            let not_yet = std::collections::HashSet::new();
            let (slots, actors) = (&this.slots, &this.actors);
            let mut scope = Scope { findings: this.findings, slots, actors, not_yet: &not_yet, preset: None };
            match Endpoint::new(text).resolve(&mut scope, place) {
                Address::Packet(..) => Err(PhraseError::new(
                    text,
                    "the address of a packet socket cannot be expected",
                    "expected an address such as 127.0.0.1:80, the name of a socket, or `none`",
                )),
                address => Ok(Some(address)),
            }
        })
    }

    pub(super) fn control(&mut self, texts: &OneOrMany<Text>, place: &KeyPath) -> Vec<Gated<Option<ExpectedControl>>> {
        let all = self.gated(texts, place, |this, text, place| match text {
            "none" => Ok(Some(None)),
            text => Ok(control::expected(text, |step| this.step_ref(step, place))?.map(Some)),
        });
        all.into_iter().filter_map(|one| Some(Gated { gate: one.gate, value: one.value?, at: one.at })).collect()
    }

    /// Resolves `server POLLIN|POLLRDNORM` and `none`.
    pub(super) fn events(&mut self, texts: &OneOrMany<Text>, place: &KeyPath) -> Vec<Gated<Option<ExpectedEvents>>> {
        const EXPECTED: &str = "expected a descriptor and its events, such as `server POLLIN`, or `none`";
        self.gated(texts, place, |this, text, place| {
            if text == "none" {
                return Ok(None);
            }
            let Some((socket, names)) = text.split_once(' ') else {
                return Err(PhraseError::new(text, format!("`{text}` lacks events"), EXPECTED));
            };
            let tables = [constants::POLL_EVENTS, constants::EPOLL_EVENTS];
            let events = phrases::joined(names.trim(), &tables, "event", EXPECTED)?;
            Ok(Some(ExpectedEvents { socket: this.socket(socket, place), events }))
        })
    }

    /// Resolves `sender.send`, `sender.send from 512`, several of them joined with `+`, and `any`.
    pub(super) fn data(&mut self, texts: &OneOrMany<Text>, place: &KeyPath) -> Vec<Gated<ExpectedData>> {
        let all = self.gated(texts, place, |this, text, place| {
            if text == "any" {
                return Ok(Some(ExpectedData::Any));
            }
            let parts = text.split('+').map(|part| this.data_part(part.trim(), place));
            let parts = parts.collect::<Result<Vec<_>, _>>()?;
            Ok(parts.into_iter().collect::<Option<Vec<_>>>().map(ExpectedData::Parts))
        });
        all.into_iter().filter_map(|one| Some(Gated { gate: one.gate, value: one.value?, at: one.at })).collect()
    }

    /// `None` if an error has been reported.
    fn data_part(&mut self, text: &str, place: &KeyPath) -> Result<Option<DataPart>, PhraseError> {
        const EXPECTED: &str = "expected `STEP`, `STEP from BYTES`, several joined with `+`, or `any`";
        let (name, from) = match *text.split_whitespace().collect::<Vec<_>>() {
            [name] => (name, 0),
            [name, "from", from] => match phrases::size(from).and_then(|from| u32::try_from(from).ok()) {
                Some(bytes) => (name, bytes),
                None => return Err(PhraseError::new(from, format!("`{from}` is not a number of bytes"), EXPECTED)),
            },
            [] => return Err(PhraseError::new("", "a step is missing beside `+`", EXPECTED)),
            _ => return Err(PhraseError::new(text, format!("`{text}` is not what a step sends"), EXPECTED)),
        };
        let Some(step) = self.step_ref(name, place) else { return Ok(None) };
        match self.traits.get(&step).map(|traits| traits.sends) {
            // An error in a step has been reported.
            None => Ok(None),
            Some(Some(bytes)) if (from as usize) < bytes => Ok(Some(DataPart { step, from })),
            Some(Some(bytes)) => {
                let message = format!("`{name}` sends {bytes} bytes, so none is left from {from} on");
                Err(PhraseError::new(text, message, EXPECTED))
            }
            Some(None) => {
                let message = format!("`{name}` does not send any bytes of its own");
                Err(PhraseError::new(name, message, "expected a step that sends"))
            }
        }
    }
}
