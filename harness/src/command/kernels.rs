//! `rxpath kernels`: lists and fetches kernels, updates the pinned ones, and prints the options that one of your own needs.

use super::command_line::{Common, KernelsArguments, KernelsCommand, Packages};
use super::error::CommandError;
use super::print;
use crate::kernel::config;
use crate::kernel::{Cache, KernelError, Progress, available, forget, list, update};
use crate::report::{FetchBars, listings, release_list};
use crate::suite::{Project, find_root};

/// Lists, fetches, updates, or prints options.
pub(crate) fn kernels(common: &Common, arguments: &KernelsArguments) -> Result<u8, CommandError> {
    match &arguments.command {
        KernelsCommand::List { json } => {
            let project = Project::open(&common.project(&Packages::default()))?;
            let listed = list(&project.pins, &project.lock, &project.cache)?;
            if *json {
                print(serde_json::to_string_pretty(&listed)? + "\n")?;
            } else {
                print(listings::pinned(&listed))?;
            }
        }
        KernelsCommand::Available { pattern, json } => {
            let cache = Cache::locate().map_err(KernelError::from)?;
            let bars = FetchBars::new();
            let found = available(pattern, &cache, &|progress| bars.show(progress))?;
            bars.finish();
            if *json {
                print(serde_json::to_string_pretty(&found)? + "\n")?;
            } else {
                print(release_list::available(pattern, &found))?;
            }
        }
        KernelsCommand::Fetch { kernels, packages } => {
            let project = Project::open(&common.project(packages))?;
            let bars = FetchBars::new();
            let show = |progress: Progress<'_>| bars.show(progress);
            let fetched = project.kernels(kernels, &show).and_then(|named| project.make_ready(&named, &show));
            bars.finish();
            print(listings::fetched(&fetched?))?;
        }
        KernelsCommand::Forget { releases } => {
            let cache = Cache::locate().map_err(KernelError::from)?;
            for release in releases {
                let outcome = if forget(release, &cache)? { "forgotten" } else { "was not remembered" };
                print(format!("{release} {outcome}\n"))?;
            }
        }
        KernelsCommand::Config => {
            print(config::fragment())?;
        }
        KernelsCommand::Update { series } => {
            let root = find_root(common.root.as_deref())?.repository()?;
            let cache = Cache::locate().map_err(KernelError::from)?;
            let bars = FetchBars::new();
            let changes = update(&root, series, &cache, &|progress| bars.show(progress))?;
            bars.finish();
            print(listings::changes(&changes))?;
        }
    }
    Ok(0)
}
