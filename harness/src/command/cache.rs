//! `rxpath cache`: what is kept between runs, and away with what nothing needs.

use super::arguments::{CacheCommand, CacheOptions, Common, Packages};
use super::error::CommandError;
use crate::report::terminal;
use crate::suite::{Project, prune};

/// Lists or prunes.
pub fn cache(common: &Common, options: &CacheOptions) -> Result<u8, CommandError> {
    let project = Project::open(&common.project(&Packages::default()))?;
    match options.command {
        None | Some(CacheCommand::List) => {
            print!("{}", terminal::images(project.cache.root(), &project.images().stored()?));
        }
        Some(CacheCommand::Prune) => print!("{}", terminal::pruned(&prune(&project)?)),
    }
    Ok(0)
}
