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
    /// `None` for a pinned kernel, whose packages have every module that a case needs.
    modules: Option<ModuleIndex>,
    has_left_archive: bool,
}

impl Kernel {
    /// Reads what is known of the kernel.
    /// Fails when a file of the kernel cannot be read.
    pub(crate) fn known_parts(&self) -> Result<KnownParts, KernelError> {
        Ok(KnownParts {
            config: self.config()?,
            modules: if self.is_pinned() { None } else { Some(self.module_index()?) },
            has_left_archive: self.modules == ModuleFiles::LeftArchive,
        })
    }
}

impl KnownParts {
    /// Checks that each of these modules is built in or can be loaded. The error is the reason why not.
    pub(crate) fn check_modules(&self, names: &[&str]) -> Result<(), String> {
        let Some(index) = &self.modules else { return Ok(()) };
        let lacking = names.iter().filter(|name| !index.has(name));
        let lacking: BTreeSet<String> = lacking.map(|name| built_in::with_option(name)).collect();
        let lacking = lacking.into_iter().collect::<Vec<_>>().join(" and ");
        match (lacking, self.has_left_archive) {
            (lacking, _) if lacking.is_empty() => Ok(()),
            (lacking, true) => Err(format!("it needs {lacking}, and the archive no longer has the kernel's modules")),
            (lacking, false) => Err(format!("it needs {lacking}, neither built into the kernel nor among its modules")),
        }
    }
}
