//! `rxpath cache`: the saved images of booted kernels.

use super::command_line::{CacheArguments, CacheCommand, Common, Packages};
use super::error::CommandError;
use super::print;
use crate::report::listings;
use crate::suite::{Project, prune};

/// Lists the images, or removes the unused ones.
pub(crate) fn cache(common: &Common, arguments: &CacheArguments) -> Result<u8, CommandError> {
    let project = Project::open(&common.project(&Packages::default()))?;
    match arguments.command {
        None | Some(CacheCommand::List) => print(listings::images(project.cache.root(), &project.images().stored()?))?,
        Some(CacheCommand::Prune) => print(listings::pruned(&prune(&project)?))?,
    };
    Ok(0)
}
