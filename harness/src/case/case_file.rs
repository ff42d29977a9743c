//! A case as its file writes it, before names are resolved and phrases are parsed.
//!
//! These structures are the only description of the language's shape: serde_yaml reads files into them, the JSON Schema
//! for editors is generated from them, and [`super::schema_check`] finds every error in a file's shape with that
//! schema.

use std::borrow::Cow;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::feature::Feature;
use super::operations::StepFile;
use super::presets;
use super::yaml_types::{OneOrMany, REPEAT, Repeated, Text};

/// A case: one YAML file in cases/, written in version 1 of the case language.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "rxpath case", extend("x-what" = "a case"))]
pub(crate) struct CaseFile {
    /// The version of the case language: 1.
    #[schemars(extend("const" = 1))]
    #[expect(dead_code, reason = "the schema admits only 1")]
    pub(crate) rxpath: u32,
    /// What happens in this case, in one line.
    pub(crate) title: String,
    /// Two or three sentences that teach what the kernel does in this case.
    pub(crate) about: String,
    /// The machine it runs on, and the kernels that can run it.
    #[serde(default)]
    pub(crate) machine: MachineFile,
    /// Steps that run once before the actors start, untraced: the name of a preset (`tcp-pair`), or a list of presets
    /// and steps.
    #[serde(default)]
    pub(crate) setup: Repeated<SetupItem>,
    /// The tasks that act, and what they do in every iteration.
    pub(crate) actors: IndexMap<String, ActorFile>,
    /// How often every actor runs its steps.
    #[serde(default = "default_iterations")]
    #[schemars(range(min = 1, max = 10_000))]
    pub(crate) iterations: u32,
    /// Iterations that run first and are not recorded.
    #[serde(default = "default_warmup")]
    #[schemars(range(max = 10_000))]
    pub(crate) warmup: u32,
    /// The guest time that all iterations of a pass may take together, warm-up included, before the case is `hung`: `10 s`;
    /// 5 s for each hundred iterations, if left out. With a deadline, ticks of idle CPUs and all other hard interrupts are
    /// not recorded: otherwise they fill the ring buffers in about 3 s.
    #[serde(default)]
    pub(crate) deadline: Option<Text>,
    /// Parameters and their values. The case runs once for each combination of values; `$name` is replaced by the
    /// value.
    #[serde(default)]
    pub(crate) sweep: IndexMap<String, Vec<Text>>,
    /// Profiles and groups of functions that snapshots leave out (see harness/src/path/profiles.yaml): `scheduling`, or
    /// `-locks` for the default without that group. Functions that `expect` names are always shown.
    #[serde(default)]
    pub(crate) hide: OneOrMany<Text>,
    /// What must hold, by operation (`receiver.recv`; `one.recv or other.recv` for any of them) or context (`softirq`,
    /// `softirq on sender`, `hardirq`, `task napi`).
    #[serde(default)]
    pub(crate) expect: IndexMap<String, OneOrMany<ExpectFile>>,
    /// Durations across steps, by name: `ping.send to ping.recv` lasts from the start of the first step to the end of
    /// the second.
    #[serde(default)]
    pub(crate) measure: IndexMap<String, Text>,
    /// Kernel functions whose own durations the timing pass measures.
    #[serde(default)]
    pub(crate) milestones: OneOrMany<Text>,
}

fn default_iterations() -> u32 {
    32
}

fn default_warmup() -> u32 {
    4
}

/// The machine, and the kernels that can run the case.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-what" = "a machine"))]
pub(crate) struct MachineFile {
    /// Number of CPUs.
    #[schemars(range(min = 1, max = 8))]
    pub(crate) cpus: u16,
    /// Memory of the guest, such as `256M`.
    pub(crate) memory: Text,
    /// How packets travel between the actors.
    pub(crate) nic: Nic,
    /// Kernel parameters to set before setup, by their sysctl(8) name.
    pub(crate) sysctls: IndexMap<String, Text>,
    /// Files to write before setup, by their path in the guest (such as a queue's `rps_cpus`).
    pub(crate) files: IndexMap<String, Text>,
    /// Words to add to the kernel command line.
    pub(crate) append: Text,
    /// The kernels that can run it; all of them, if left out.
    pub(crate) kernels: KernelsFile,
    /// What the kernel must have been built with.
    pub(crate) features: OneOrMany<Feature>,
    /// Modules to load, in this order, each after those that it depends on: `tls`, `ghash_generic before 7.0`. A kernel that
    /// neither has one nor has it built in skips the case.
    pub(crate) modules: OneOrMany<Text>,
}

impl Default for MachineFile {
    fn default() -> Self {
        Self {
            cpus: 2,
            memory: Text("256M".to_owned()),
            nic: Nic::default(),
            sysctls: IndexMap::new(),
            files: IndexMap::new(),
            append: Text::default(),
            kernels: KernelsFile::default(),
            features: OneOrMany::default(),
            modules: OneOrMany::default(),
        }
    }
}

/// A choice of kernels.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-what" = "a choice of kernels"))]
pub(crate) struct KernelsFile {
    /// This series and later ones.
    pub(crate) since: Option<Text>,
    /// Only series earlier than this one.
    pub(crate) before: Option<Text>,
    /// Only these series.
    pub(crate) only: Option<OneOrMany<Text>>,
}

/// How packets travel between the actors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Nic {
    /// Through `lo`.
    #[default]
    Loopback,
    /// Through a veth pair into a second network namespace.
    Veth,
    /// Through a TUN device: the agent writes packets to the kernel and reads the ones that the kernel sends.
    Tun,
    /// Through two virtio-net NICs on one hub; the second one is in a second network namespace.
    Virtio,
}

/// An item of `setup`.
#[derive(Debug)]
pub(crate) enum SetupItem {
    /// A preset by its name. If there is a number, the preset's names end in it: `client-3`.
    Preset(String, Option<String>),
    Step(Box<StepFile>),
}

impl<'de> Deserialize<'de> for SetupItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_yaml::Value::deserialize(deserializer)?;
        if let serde_yaml::Value::String(preset) = value {
            return Ok(Self::Preset(preset, None));
        }
        if let Some(preset) = value.get("preset").and_then(serde_yaml::Value::as_str) {
            let number = value.get(REPEAT).and_then(serde_yaml::Value::as_str);
            return Ok(Self::Preset(preset.to_owned(), number.map(str::to_owned)));
        }
        serde_yaml::from_value(value).map(Self::Step).map_err(D::Error::custom)
    }
}

impl JsonSchema for SetupItem {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SetupItem".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = presets::names().collect();
        let step = generator.subschema_for::<StepFile>();
        json_schema!({ "anyOf": [{ "type": "string", "enum": names }, step] })
    }
}

/// An actor: a task with a role.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-what" = "an actor"))]
pub(crate) struct ActorFile {
    /// The CPU it is bound to, from 0.
    #[serde(default)]
    pub(crate) cpu: u16,
    /// A thread shares its descriptors with the other threads; a process has its own and inherits those that setup
    /// made.
    #[serde(default)]
    pub(crate) kind: ActorKindFile,
    /// Its scheduling policy: `other`, `batch`, `idle`, or `fifo 10`.
    #[serde(default)]
    pub(crate) policy: Option<Text>,
    /// Its network namespace: 0, or 1 (the far end of `veth` and `virtio`).
    #[serde(default)]
    #[schemars(range(max = 1))]
    pub(crate) netns: u8,
    /// What it does in every iteration, in order.
    #[schemars(length(min = 1))]
    pub(crate) steps: Repeated<StepFile>,
}

/// What kind of task an actor is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ActorKindFile {
    /// A thread of the agent.
    #[default]
    Thread,
    /// A process of its own.
    Process,
}

/// What must hold of one operation or context. Any value can end in a gate: `64 since 6.1`, `netif_rx before 6.1`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-what" = "an expectation"))]
pub(crate) struct ExpectFile {
    /// All of this holds for this series and later ones only.
    pub(crate) since: Option<Text>,
    /// All of this holds only for series earlier than this one.
    pub(crate) before: Option<Text>,
    /// All of this holds for these series only.
    pub(crate) only: Option<OneOrMany<Text>>,
    /// The return value: `64`, `at least 1`, `at most 64`, `1 to 64`, `none` (0), `a descriptor` (0 or more); or one of
    /// several, errors among them: `64 or EAGAIN`.
    pub(crate) returns: OneOrMany<Text>,
    /// The number that it read (ioctl, getsockopt).
    pub(crate) value: OneOrMany<Text>,
    /// The error that it fails with: `EAGAIN`, `EAGAIN or EINTR`.
    pub(crate) fails: OneOrMany<Text>,
    /// The bytes that it receives: `sender.send`, the rest of them (`sender.send from 512`), those of several steps
    /// (`sender.one + sender.two`), or `any`. If left out, bytes that a step sent must be of the same iteration, and
    /// those of an actor in the order in which it sent them.
    pub(crate) data: OneOrMany<Text>,
    /// The flags of the message that recvmsg or recvmmsg returns: `MSG_TRUNC`, `MSG_TRUNC|MSG_CTRUNC`, or `none`.
    pub(crate) flags: OneOrMany<Text>,
    /// The address of the sender that recvfrom or recvmsg returns: that of a socket (`client`), `127.0.0.1:80`, or
    /// `none`.
    pub(crate) from: OneOrMany<Text>,
    /// All control messages that recvmsg returns, by name and content: `IP_TTL 64`, `IP_PKTINFO 127.0.0.1`, `TCP_INQ 32`,
    /// `IP_RECVERR ECONNREFUSED`, `SCM_RIGHTS 1`, `SO_TIMESTAMP after receiver.first`; or `none`. Times must rise from
    /// one iteration to the next.
    pub(crate) control: OneOrMany<Text>,
    /// The length of each message that recvmmsg or recvmsg returns: `[64, 64]`.
    pub(crate) lengths: OneOrMany<Text>,
    /// All events that poll, select or epoll_wait returns, by descriptor: `server POLLIN|POLLRDNORM`, or `none`. For
    /// select, POLLIN means readable and POLLOUT writable.
    pub(crate) events: OneOrMany<Text>,
    /// What the packet is like that it reads from a TUN device: `tcp server > 10.0.0.2:9000, ACK, ack 64, window at least 1`.
    /// A socket's name stands for its port; numbers count as for `inject`.
    pub(crate) sends: OneOrMany<Text>,
    /// Functions that are called in this order, each at least once: `a`, `a or b`, `a since 6.1`, `a 4 times`,
    /// `a at least 2 times`.
    pub(crate) calls: OneOrMany<Text>,
    /// Functions that are not called.
    pub(crate) never: OneOrMany<Text>,
    /// The task that it wakes: an actor, or a class of other tasks (`ksoftirqd`).
    pub(crate) wakes: OneOrMany<Text>,
    /// How many tasks it wakes (`1`, `at least 2`, `none`).
    pub(crate) wake_ups: OneOrMany<Text>,
    /// How often the task sleeps.
    pub(crate) sleeps: OneOrMany<Text>,
    /// The number of the task's context switches.
    pub(crate) switches: OneOrMany<Text>,
    /// The number of softirqs in an iteration.
    pub(crate) softirqs: OneOrMany<Text>,
    /// What it costs: `at most 1.2 x recv/tcp-ready`, `at most 40000 instructions`.
    pub(crate) costs: OneOrMany<Text>,
}
