//! `rxpath run --no-keep`: leaves of the kernels of a run only what was in the cache before.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::error_chain;
use crate::kernel::{self, Fetched, KernelRef, ReleaseRef};
use crate::output::warn;
use crate::suite::cached_kernels::{CacheContents, CachedKernel};
use crate::suite::project::Project;
use crate::vm::VmError;

/// What a cache had before a run. Dropping it removes what the run added for its kernels: however the run ends, unless rxpath itself
/// is killed.
pub(crate) struct CacheBefore<'a> {
    project: &'a Project,
    folders: BTreeSet<PathBuf>,
    images: BTreeSet<String>,
    references: Vec<ReleaseRef>,
    /// The kernels of the run.
    pub(crate) kernels: Vec<KernelRef>,
    /// The digests of the kernels that were fetched.
    digests: BTreeSet<String>,
}

impl<'a> CacheBefore<'a> {
    /// Call it before the run resolves or fetches anything.
    pub(crate) fn of(project: &'a Project) -> Result<Self, VmError> {
        Ok(Self {
            project,
            folders: kernel::stored(&project.cache).into_iter().map(|stored| stored.folder).collect(),
            images: project.images().stored()?.into_iter().map(|image| image.key).collect(),
            references: kernel::remembered_references(&project.cache),
            kernels: Vec::new(),
            digests: BTreeSet::new(),
        })
    }

    /// Adds the kernels that are ready. With `--unlocked`, they are not those of the lock.
    pub(crate) fn add(&mut self, fetched: &Fetched) {
        self.digests.extend(fetched.kernels.iter().map(|kernel| kernel.digest.to_string()));
    }

    fn remove_the_rest(&self) -> Result<(), VmError> {
        let cache = &self.project.cache;
        let mut digests = self.digests.clone();
        digests.extend(self.kernels.iter().flat_map(|kernel| self.project.digests_of(kernel)));
        for kernel in CacheContents::of(self.project)?.kernels {
            if !kernel.digest().is_some_and(|digest| digests.contains(digest)) {
                continue;
            }
            let name = kernel.names.iter().next().map_or("its packages".to_owned(), ToString::to_string);
            let added = CachedKernel {
                stored: kernel.stored.filter(|stored| !self.folders.contains(&stored.folder)),
                images: kernel.images.into_iter().filter(|image| !self.images.contains(&image.key)).collect(),
                ..kernel
            };
            if !added.remove(cache, &self.project.images())? {
                warn(format_args!("rxpath: {name} stays in the cache: another rxpath process uses it"));
            }
        }
        for kernel in &self.kernels {
            if let KernelRef::Release(reference) = kernel
                && !self.references.contains(reference)
            {
                kernel::forget(reference, cache)?;
            }
        }
        Ok(())
    }
}

impl Drop for CacheBefore<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.remove_the_rest() {
            warn(format_args!("rxpath: --no-keep could not clear the cache: {}", error_chain(&error)));
        }
    }
}
