//! What is known of a kernel before it boots.

use std::collections::BTreeSet;

use super::built_in;
use super::config::Config;
use super::error::KernelError;
use super::modules::ModuleIndex;
use super::store::{Kernel, ModuleFiles};

/// The options and the modules of a kernel.
#[derive(Debug)]
pub(crate) struct KnownParts {
    /// `None` if there is no configuration.
    pub(crate) config: Option<Config>,
    modules: ModuleIndex,
    has_left_archive: bool,
}

impl Kernel {
    /// Reads what is known of the kernel.
    /// Fails when a file of the kernel cannot be read.
    pub(crate) fn known_parts(&self) -> Result<KnownParts, KernelError> {
        Ok(KnownParts {
            config: self.config()?,
            modules: self.module_index()?,
            has_left_archive: self.modules == ModuleFiles::LeftArchive,
        })
    }
}

impl KnownParts {
    /// Checks that each of these modules is built in or can be loaded. The error is the reason why not.
    pub(crate) fn check_modules(&self, names: &[&str]) -> Result<(), String> {
        let lacking = names.iter().filter(|name| !self.modules.has(name));
        let lacking: BTreeSet<String> = lacking.map(|name| self.described(name)).collect();
        let lacking = lacking.into_iter().collect::<Vec<_>>().join(" and ");
        match (lacking, self.has_left_archive) {
            (lacking, _) if lacking.is_empty() => Ok(()),
            (lacking, true) => Err(format!("it needs {lacking}, and the archive no longer has the kernel's modules")),
            (lacking, false) => Err(format!("it needs {lacking}, neither built into the kernel nor among its modules")),
        }
    }

    /// A module's name, with its option if that is known, or with a similar name that the kernel has.
    fn described(&self, name: &str) -> String {
        let text = built_in::with_option(name);
        match self.modules.nearest(name).first() {
            Some(similar) if text == name => format!("{name} (did you mean {similar}?)"),
            _ => text,
        }
    }
}
