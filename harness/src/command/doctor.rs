//! `rxpath doctor`: checks what rxpath needs on this machine, and which modes work.

use super::command_line::{Common, Packages};
use super::error::CommandError;
use crate::kernel::{Listed, create_folder, list};
use crate::plural::count;
use crate::report::listings::{Finding, findings};
use crate::report::waiting;
use crate::suite::Project;
use crate::suite::native::probe_kvm;
use crate::vm::probe::Kvm;

/// Checks everything that a run needs. The exit code is 1 if something is missing.
pub(crate) fn doctor(common: &Common) -> Result<u8, CommandError> {
    let project = Project::open(&common.project(&Packages::default()))?;
    let mut found = Vec::new();
    let cores = std::thread::available_parallelism().map_or(1, |count| count.get());
    found.push(good("cores", format!("{cores}, so {} at a time", count(cores, "guest"))));
    found.push(tool("apt-get", "needed to fetch packages that are neither in the cache nor in --packages DIR"));
    found.push(tool("dpkg-deb", "needed to unpack packages that are not in the cache"));
    found.push(match create_folder(project.cache.root()) {
        Ok(()) => good("cache", project.cache.root().display().to_string()),
        Err(error) => {
            let folder = project.cache.root().display();
            missing("cache", format!("could not create {folder}: {error}; choose a different folder with RXPATH_CACHE"))
        }
    });
    let listed = list(&project.pins, &project.lock, &project.cache)?;
    let ready = listed.kernels.iter().filter(|kernel| kernel.cached).count();
    found.push(good("kernels", format!("{ready} of {} in the cache", listed.kernels.len())));
    let state = if listed.qemu.cached { "in the cache" } else { "not fetched yet" };
    found.push(good("QEMU", format!("{} pinned, {state}", listed.qemu.version)));
    found.push(good("exact mode", "works, without KVM and without root".to_owned()));
    found.push(native_mode(&project, &listed)?);
    super::print(findings(&found))?;
    Ok(u8::from(found.iter().any(|finding| !finding.is_good)))
}

/// Tries KVM with the newest kernel in the cache, without fetching any.
fn native_mode(project: &Project, listed: &Listed) -> Result<Finding, CommandError> {
    const NAME: &str = "native mode";
    let cached = listed.kernels.iter().rev().find(|kernel| kernel.cached).filter(|_| listed.qemu.cached);
    let Some(newest) = cached else {
        let text = "KVM was not tried: that boots a kernel, and none is in the cache (`rxpath kernels fetch`)";
        return Ok(good(NAME, text.to_owned()));
    };
    let fetched = project.fetch(&[newest.series], &|_| {})?;
    let _waiting = waiting(&format!("booting {} under KVM, usually a few seconds", newest.series));
    Ok(match probe_kvm(project, &fetched)? {
        Kvm::Works { boot_ms } => {
            good(NAME, format!("real time: KVM works (a kernel booted in {:.1} s)", boot_ms as f64 / 1e3))
        }
        Kvm::Broken(reason) => good(NAME, format!("paths only, with QEMU's translator: {reason}")),
    })
}

fn tool(name: &'static str, what_for: &str) -> Finding {
    let there = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()));
    if there { good(name, "installed".to_owned()) } else { missing(name, format!("not found: {what_for}")) }
}

fn good(name: &'static str, text: String) -> Finding {
    Finding { name, is_good: true, text }
}

fn missing(name: &'static str, text: String) -> Finding {
    Finding { name, is_good: false, text }
}
