//! Finds functions that continue under a different name: known renames, and names that look alike.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::path::DataFileError;
use crate::path::data_file;

/// Known renames between kernels, in both directions and over several kernels.
#[derive(Clone, Debug, Default)]
pub struct Renames {
    /// The number of each name's family. A family is all names that one function ever had.
    families: HashMap<String, usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rename {
    from: String,
    to: String,
    /// The first kernel with the later name, for the reader of the file.
    #[serde(rename = "since")]
    _since: String,
}

impl Renames {
    /// The renames in the binary. They can be read: a test below checks it.
    pub fn embedded() -> &'static Self {
        static RENAMES: LazyLock<Renames> =
            LazyLock::new(|| Renames::from_yaml(include_str!("renames.yaml")).unwrap_or_default());
        &RENAMES
    }

    pub fn from_yaml(text: &str) -> Result<Self, DataFileError> {
        let renames: Vec<Rename> = data_file::parse("renames.yaml", text)?;
        let mut families: HashMap<String, usize> = HashMap::new();
        for (number, rename) in renames.into_iter().enumerate() {
            let family = families.get(&rename.from).or_else(|| families.get(&rename.to)).copied().unwrap_or(number);
            for name in [rename.from, rename.to] {
                let joined = families.insert(name, family).filter(|joined| *joined != family);
                if let Some(joined) = joined {
                    families.values_mut().filter(|other| **other == joined).for_each(|other| *other = family);
                }
            }
        }
        Ok(Self { families })
    }

    /// The number of the name's family; `None` if it was never renamed.
    pub(super) fn family(&self, name: &str) -> Option<usize> {
        self.families.get(name).copied()
    }

    /// Whether both are names of one function.
    pub fn are_one(&self, one: &str, other: &str) -> bool {
        matches!((self.families.get(one), self.families.get(other)), (Some(one), Some(other)) if one == other)
    }
}

/// Whether two different names look related. Apart from leading underscores, one starts or ends with the other
/// (`sock_queue_rcv_skb`, `sock_queue_rcv_skb_reason`), or they share three quarters of the longer one's words.
pub(super) fn look_alike(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim_start_matches('_'), other.trim_start_matches('_'));
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    if short.len() >= 6 && (long.starts_with(short) || long.ends_with(short)) {
        return true;
    }
    let words: Vec<&str> = long.split('_').collect();
    let shared = short.split('_').filter(|word| words.contains(word)).count();
    words.len() > 2 && shared * 4 >= words.len() * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renames_apply_over_several_kernels_and_in_both_directions() {
        let renames = Renames::embedded();
        assert!(renames.are_one("kfree_skb", "sk_skb_reason_drop") && renames.are_one("fdget", "sockfd_lookup_light"));
        assert!(!renames.are_one("kfree_skb", "fdget") && !renames.are_one("x", "x"));
    }

    #[test]
    fn families_that_a_later_rename_connects_become_one() {
        let text = "- {from: a, to: b, since: x}\n- {from: c, to: d, since: x}\n- {from: b, to: c, since: x}\n";
        assert!(Renames::from_yaml(text).unwrap().are_one("a", "d"));
    }

    #[test]
    fn names_look_alike_by_their_words_only() {
        assert!(look_alike("sock_queue_rcv_skb", "sock_queue_rcv_skb_reason"));
        assert!(look_alike("__tcp_cleanup_rbuf", "tcp_cleanup_rbuf"));
        assert!(look_alike("tcp_v4_inbound_md5_hash", "tcp_inbound_md5_hash"));
        assert!(!look_alike("tcp_ack", "tcp_data_queue") && !look_alike("skb_put", "skb_push"));
    }
}
