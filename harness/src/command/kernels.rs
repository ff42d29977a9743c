//! `rxpath kernels`: what is pinned.

use super::arguments::{Common, KernelsCommand, KernelsOptions, Packages};
use super::error::CommandError;
use crate::kernel::{list, update};
use crate::report::{FetchBars, terminal};
use crate::suite::{Workshop, find_root};

/// Lists, fetches or updates.
pub fn kernels(common: &Common, options: &KernelsOptions) -> Result<u8, CommandError> {
    match &options.command {
        KernelsCommand::List { json } => {
            let workshop = Workshop::open(&common.workshop(&Packages::default()))?;
            let listed = list(&workshop.pins, &workshop.lock, &workshop.cache)?;
            if *json {
                println!("{}", serde_json::to_string_pretty(&listed).unwrap_or_default());
            } else {
                print!("{}", terminal::pinned(&listed));
            }
        }
        KernelsCommand::Fetch { series, packages } => {
            let workshop = Workshop::open(&common.workshop(packages))?;
            let series = workshop.pins.select(series)?;
            let bars = FetchBars::new();
            let fetched = workshop.fetch(&series, &|progress| bars.show(progress))?;
            bars.finish();
            print!("{}", terminal::fetched(&fetched));
        }
        KernelsCommand::Update { series } => {
            let root = find_root(common.root.as_deref())?;
            let cache = crate::kernel::Cache::locate()?;
            let bars = FetchBars::new();
            let changes = update(&root, series, &cache, &|progress| bars.show(progress))?;
            bars.finish();
            print!("{}", terminal::changes(&changes));
        }
    }
    Ok(0)
}
