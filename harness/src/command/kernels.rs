//! `rxpath kernels`: what is pinned.

use super::arguments::{Common, KernelsCommand, KernelsOptions, Packages};
use super::error::CommandError;
use crate::kernel::{KernelError, list, update};
use crate::report::{FetchBars, terminal};
use crate::suite::{Project, find_root};

/// Lists, fetches or updates.
pub fn kernels(common: &Common, options: &KernelsOptions) -> Result<u8, CommandError> {
    match &options.command {
        KernelsCommand::List { json } => {
            let project = Project::open(&common.project(&Packages::default()))?;
            let listed = list(&project.pins, &project.lock, &project.cache)?;
            if *json {
                println!("{}", serde_json::to_string_pretty(&listed).unwrap_or_default());
            } else {
                print!("{}", terminal::pinned(&listed));
            }
        }
        KernelsCommand::Fetch { series, packages } => {
            let project = Project::open(&common.project(packages))?;
            let series = project.pins.select(series)?;
            let bars = FetchBars::new();
            let fetched = project.fetch(&series, &|progress| bars.show(progress))?;
            bars.finish();
            print!("{}", terminal::fetched(&fetched));
        }
        KernelsCommand::Update { series } => {
            let root = find_root(common.root.as_deref())?;
            let cache = crate::kernel::Cache::locate().map_err(KernelError::from)?;
            let bars = FetchBars::new();
            let changes = update(&root, series, &cache, &|progress| bars.show(progress))?;
            bars.finish();
            print!("{}", terminal::changes(&changes));
        }
    }
    Ok(0)
}
