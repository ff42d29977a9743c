//! The case language as it is written: what a file may say, before anything is made of it.
//!
//! The structures here are the only description of the language's shape. serde_yaml reads files into them, the JSON Schema
//! for editors is made from them, and [`super::schema_check`] finds every error of a file by that schema.

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::operations::StepFile;

/// A case: one YAML file in cases/. Written in the language of rxpath 1.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "rxpath case", extend("x-what" = "a case"))]
pub struct CaseFile {
    /// The version of the case language: 1.
    #[schemars(extend("const" = 1))]
    #[expect(dead_code, reason = "the schema lets nothing but 1 pass")]
    pub rxpath: u32,
    /// What happens here, in one line.
    pub title: String,
    /// Two or three sentences that teach what the kernel does there.
    pub about: String,
    /// The machine it runs on, and the kernels that can run it.
    #[serde(default)]
    pub machine: MachineFile,
    /// Steps run once before the actors start, untraced: a preset's name (`tcp-pair`), a list of steps, or both in a list.
    #[serde(default)]
    pub setup: Repeated<SetupItem>,
    /// Who acts, and what they do in every iteration.
    pub actors: IndexMap<String, ActorFile>,
    /// How often every actor goes through its steps.
    #[serde(default = "default_iterations")]
    #[schemars(range(min = 1, max = 10_000))]
    pub iterations: u32,
    /// Iterations run first and thrown away.
    #[serde(default = "default_warmup")]
    #[schemars(range(max = 10_000))]
    pub warmup: u32,
    /// Parameters and their values: the case is run once for each combination. `$name` stands for the value.
    #[serde(default)]
    pub sweep: IndexMap<String, Vec<Text>>,
    /// Profiles and groups of functions that snapshots leave out (harness/src/path/profiles.yaml): `scheduling`, or `-locks` for the
    /// default without that group. What `expect` names is never left out.
    #[serde(default)]
    pub hide: OneOrMany<Text>,
    /// What must hold, by operation (`receiver.recv`) or context (`softirq`).
    #[serde(default)]
    pub expect: IndexMap<String, OneOrMany<ExpectFile>>,
    /// Durations across steps: a name, and `ping.send to ping.recv` (from the begin of the first to the end of the last).
    #[serde(default)]
    pub measure: IndexMap<String, Text>,
    /// Kernel functions whose own durations the timing pass takes.
    #[serde(default)]
    pub milestones: OneOrMany<Text>,
}

fn default_iterations() -> u32 {
    32
}

fn default_warmup() -> u32 {
    4
}

/// The machine, and which kernels can run the case.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-what" = "a machine"))]
pub struct MachineFile {
    /// Number of CPUs.
    #[schemars(range(min = 1, max = 8))]
    pub cpus: u16,
    /// Memory of the guest, `256M` for example.
    pub memory: Text,
    /// How packets travel.
    pub nic: Nic,
    /// Kernel parameters set before setup, by their sysctl(8) name.
    pub sysctls: IndexMap<String, Text>,
    /// Files written before setup, by their path in the guest (a queue's `rps_cpus`, for example).
    pub files: IndexMap<String, Text>,
    /// Words added to the kernel command line.
    pub append: Text,
    /// Which kernels can run it; all, if nothing is said.
    pub kernels: KernelsFile,
    /// What the kernel must have been built with.
    pub features: OneOrMany<Feature>,
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
        }
    }
}

/// Some kernels.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-what" = "a choice of kernels"))]
pub struct KernelsFile {
    /// This series and later ones.
    pub since: Option<Text>,
    /// Earlier series than this.
    pub before: Option<Text>,
    /// None but these.
    pub only: Option<OneOrMany<Text>>,
}

/// How packets travel between the actors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Nic {
    /// Through `lo`.
    #[default]
    Loopback,
    /// Through a veth pair into a second network namespace.
    Veth,
    /// Through a TUN device: the agent writes packets into the kernel and reads what it sends.
    Tun,
    /// Through two virtio-net NICs on one hub; the second one lives in a second network namespace.
    Virtio,
}

/// Something that a kernel can be built with or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// CONFIG_IO_URING.
    IoUring,
    /// CONFIG_MPTCP.
    Mptcp,
    /// CONFIG_VSOCKETS_LOOPBACK.
    Vsock,
    /// CONFIG_TUN.
    Tun,
    /// CONFIG_VETH.
    Veth,
    /// CONFIG_VIRTIO_NET.
    VirtioNet,
    /// CONFIG_PACKET.
    Packet,
    /// CONFIG_BPF_SYSCALL.
    Bpf,
    /// CONFIG_NET_CLS_ACT, CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_MATCHALL.
    TcIngress,
    /// CONFIG_NET_RX_BUSY_POLL.
    BusyPoll,
    /// CONFIG_RPS.
    Rps,
}

/// An item of `setup`.
#[derive(Debug)]
pub enum SetupItem {
    /// A preset by its name; with a number, which its names end in: `client-3`.
    Preset(String, Option<String>),
    /// A step of its own.
    Step(Box<StepFile>),
}

/// An actor: a task with a role.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-what" = "an actor"))]
pub struct ActorFile {
    /// The CPU it is bound to, from 0.
    #[serde(default)]
    pub cpu: u16,
    /// A thread shares descriptors with the others; a process has its own and inherits those of setup.
    #[serde(default)]
    pub kind: ActorKindFile,
    /// Its scheduling policy: `other`, `batch`, `idle`, or `fifo 10`.
    #[serde(default)]
    pub policy: Option<Text>,
    /// The network namespace it lives in: 0, or 1 (the far end of `veth` and `virtio`).
    #[serde(default)]
    #[schemars(range(max = 1))]
    pub netns: u8,
    /// What it does, in order, in every iteration.
    #[schemars(length(min = 1))]
    pub steps: Repeated<StepFile>,
}

/// What kind of task an actor is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActorKindFile {
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
pub struct ExpectFile {
    /// All of this holds for this series and later ones.
    pub since: Option<Text>,
    /// All of this holds for earlier series than this.
    pub before: Option<Text>,
    /// All of this holds for none but these.
    pub only: Option<OneOrMany<Text>>,
    /// The return value: `64`, `at least 1`, `a descriptor`.
    pub returns: OneOrMany<Text>,
    /// The number that it read (ioctl, getsockopt).
    pub value: OneOrMany<Text>,
    /// It fails, with this error: `EAGAIN`.
    pub fails: OneOrMany<Text>,
    /// The bytes received are those that this step sent: `sender.send`.
    pub data: OneOrMany<Text>,
    /// Functions called, in this order, each once or more: `a`, `a or b`, `a since 6.1`, `a 4 times`, `a at least 2 times`.
    pub calls: OneOrMany<Text>,
    /// Functions not called.
    pub never: OneOrMany<Text>,
    /// Whom it wakes: an actor.
    pub wakes: OneOrMany<Text>,
    /// How often it wakes someone (`1`, `at least 2`, `none`).
    pub wake_ups: OneOrMany<Text>,
    /// How often the task sleeps.
    pub sleeps: OneOrMany<Text>,
    /// How many context switches the task goes through.
    pub switches: OneOrMany<Text>,
    /// How many softirqs run in an iteration.
    pub softirqs: OneOrMany<Text>,
    /// What it costs: `at most 1.2 x recv/tcp-ready`, `at most 40000 instructions`.
    pub costs: OneOrMany<Text>,
}

/// A text that may look like a number: `64`, `6.10`, `at least 2`. It is kept as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = Text;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text or an integer")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            // No fractions: 6.10 would have become 6.1 before it came here.
            fn visit_u64<E>(self, number: u64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer", "number"] })
    }
}

/// A value, or a list of them.
#[derive(Clone, Debug)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        match serde_yaml::Value::deserialize(deserializer)? {
            serde_yaml::Value::Sequence(items) => {
                let items = items.into_iter().map(serde_yaml::from_value).collect::<Result<_, _>>();
                items.map(Self).map_err(D::Error::custom)
            }
            one => serde_yaml::from_value(one).map(|one| Self(vec![one])).map_err(D::Error::custom),
        }
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

impl<'de> Deserialize<'de> for SetupItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
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

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SetupItem".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = super::presets::names().collect();
        let step = generator.subschema_for::<StepFile>();
        json_schema!({ "anyOf": [{ "type": "string", "enum": names }, step] })
    }
}

/// The key of a step that says how often it is there.
const REPEAT: &str = "repeat";
/// A step is there at most so many times.
pub const MOST_REPEATS: usize = 2000;

/// A list whose items may be there several times; each with its index in the file.
#[derive(Debug)]
pub struct Repeated<T>(pub Vec<(usize, T)>);

impl<T> Default for Repeated<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for Repeated<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let items = match serde_yaml::Value::deserialize(deserializer)? {
            serde_yaml::Value::Sequence(items) => items,
            one => vec![one],
        };
        let mut out = Vec::new();
        for (nth, item) in items.into_iter().enumerate() {
            for item in copies(item) {
                out.push((nth, serde_yaml::from_value(item).map_err(D::Error::custom)?));
            }
        }
        Ok(Self(out))
    }
}

/// The item as often as its `repeat` says, with `#` replaced by 1, 2, 3 and so on; once, if it says nothing (or nonsense,
/// which is told elsewhere).
fn copies(item: serde_yaml::Value) -> Vec<serde_yaml::Value> {
    let times = item.get(REPEAT).and_then(serde_yaml::Value::as_str).and_then(|times| times.parse().ok());
    let Some(times) = times.filter(|times| (1..=MOST_REPEATS).contains(times)) else { return vec![item] };
    let mut copies = Vec::new();
    for number in 1..=times {
        let mut copy = item.clone();
        super::presets::for_each_text(&mut copy, &mut |text| *text = text.replace('#', &number.to_string()));
        if let Some(repeat) = copy.get_mut(REPEAT) {
            *repeat = serde_yaml::Value::String(number.to_string());
        }
        copies.push(copy);
    }
    copies
}

impl<T: JsonSchema> JsonSchema for Repeated<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Repeated{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        // A single preset may stand for the list; a single step may not, lest `steps:` be two shapes.
        let alone = one.as_object().and_then(|one| one.get("anyOf")?.get(0).cloned());
        let list = json_schema!({ "type": "array", "items": one });
        match alone {
            Some(alone) => json_schema!({ "anyOf": [alone, list] }),
            None => list,
        }
    }
}
