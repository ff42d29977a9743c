//! `rxpath kernels`: lists, fetches and updates the pinned kernels, and prints what one of your own needs.

use super::arguments::{Common, KernelsArguments, KernelsCommand, Packages};
use super::error::CommandError;
use super::fetch;
use crate::kernel::config;
use crate::kernel::{Cache, KernelError, list, update};
use crate::report::{FetchBars, listings};
use crate::suite::{Project, find_root};

/// Lists, fetches, updates, or prints options.
pub(crate) fn kernels(common: &Common, arguments: &KernelsArguments) -> Result<u8, CommandError> {
    match &arguments.command {
        KernelsCommand::List { json } => {
            let project = Project::open(&common.project(&Packages::default()))?;
            let listed = list(&project.pins, &project.lock, &project.cache)?;
            if *json {
                println!("{}", serde_json::to_string_pretty(&listed)?);
            } else {
                print!("{}", listings::pinned(&listed));
            }
        }
        KernelsCommand::Fetch { series, packages } => {
            let project = Project::open(&common.project(packages))?;
            let series = project.pins.select(series)?;
            print!("{}", listings::fetched(&fetch(&project, &series)?));
        }
        KernelsCommand::Config => print!("{}", config::fragment()),
        KernelsCommand::Update { series } => {
            let root = find_root(common.root.as_deref())?.repository()?;
            let cache = Cache::locate().map_err(KernelError::from)?;
            let bars = FetchBars::new();
            let changes = update(&root, series, &cache, &|progress| bars.show(progress))?;
            bars.finish();
            print!("{}", listings::changes(&changes));
        }
    }
    Ok(0)
}
