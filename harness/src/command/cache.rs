//! `rxpath cache`: the kernels in the cache and their saved images.

use super::command_line::{CacheArguments, CacheCommand, Common, Packages};
use super::error::CommandError;
use super::print;
use crate::error_chain;
use crate::report::cache_listing;
use crate::suite::{CacheContents, Project, PruneLimits, plan, prune};

/// Lists the kernels or the images, or removes some.
pub(crate) fn cache(common: &Common, arguments: &CacheArguments) -> Result<u8, CommandError> {
    let project = Project::open(&common.project(&Packages::default()))?;
    let cache = project.cache.root();
    let text = match arguments.command {
        None => {
            let free = match plan(&project, PruneLimits::default()) {
                Ok(plan) => cache_listing::could_free(&plan),
                Err(error) => format!("what `rxpath cache prune` frees is unknown: {}\n", error_chain(&error)),
            };
            cache_listing::kernels(cache, &CacheContents::of(&project)?) + &free
        }
        Some(CacheCommand::List) => cache_listing::images(cache, &project.images().stored()?),
        Some(CacheCommand::Prune { dry_run, keep, max_size }) => {
            let limits = PruneLimits { kernels: keep, bytes: max_size };
            let pruned = if dry_run { plan(&project, limits)? } else { prune(&project, limits)? };
            cache_listing::pruned(&pruned, dry_run)
        }
    };
    print(text)?;
    Ok(0)
}
