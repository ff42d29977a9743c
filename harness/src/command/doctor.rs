//! `rxpath doctor`: what this machine can do.

use super::arguments::{Common, Packages};
use super::error::CommandError;
use crate::kernel::{Listed, list};
use crate::report::terminal::{Finding, findings};
use crate::suite::Project;
use crate::suite::native::probe_kvm;
use crate::vm::probe::Kvm;

/// Looks at everything a run needs and says what it found; exit code 1 if something is missing.
pub fn doctor(common: &Common) -> Result<u8, CommandError> {
    let project = Project::open(&common.project(&Packages::default()))?;
    let mut found = Vec::new();
    let cores = std::thread::available_parallelism().map_or(1, |count| count.get());
    found.push(Finding::good("cores", format!("{cores}, so {cores} guests at a time")));
    found.push(tool("apt-get", "fetches packages; without it, only what is in the cache or in --from DIR can be used"));
    found.push(tool("dpkg-deb", "unpacks packages; without it, only what is in the cache can be used"));
    found.push(match std::fs::create_dir_all(project.cache.root()) {
        Ok(()) => Finding::good("cache", project.cache.root().display().to_string()),
        Err(why) => {
            Finding::bad("cache", format!("{}: {why}; name another with RXPATH_CACHE", project.cache.root().display()))
        }
    });
    let listed = list(&project.pins, &project.lock, &project.cache)?;
    let ready = listed.kernels.iter().filter(|kernel| kernel.cached).count();
    found.push(Finding::good("kernels", format!("{ready} of {} in the cache", listed.kernels.len())));
    let state = if listed.qemu.cached { "in the cache" } else { "not fetched yet" };
    found.push(Finding::good("QEMU", format!("{} pinned, {state}", listed.qemu.version)));
    found.push(Finding::good("exact mode", "available: needs neither KVM nor root".to_owned()));
    found.push(native_mode(&project, &listed)?);
    print!("{}", findings(&found));
    Ok(u8::from(found.iter().any(|finding| !finding.good)))
}

/// Tries KVM with the newest kernel in the cache; fetches nothing.
fn native_mode(project: &Project, listed: &Listed) -> Result<Finding, CommandError> {
    const NAME: &str = "native mode";
    let cached = listed.kernels.iter().rev().find(|kernel| kernel.cached).filter(|_| listed.qemu.cached);
    let Some(newest) = cached else {
        let what = "not tried yet: whether KVM works is found out by booting a kernel (`rxpath kernels fetch`)";
        return Ok(Finding::good(NAME, what.to_owned()));
    };
    let fetched = project.fetch(&[newest.series], &|_| {})?;
    Ok(match probe_kvm(project, &fetched)? {
        Kvm::Works { boot_ms } => {
            Finding::good(NAME, format!("real time: KVM works (a kernel was ready in {:.1} s)", boot_ms as f64 / 1e3))
        }
        Kvm::Broken(why) => Finding::good(NAME, format!("paths only, on QEMU's translator: {why}")),
    })
}

fn tool(name: &'static str, what_for: &str) -> Finding {
    let there = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()));
    if there {
        Finding::good(name, "there".to_owned())
    } else {
        Finding::bad(name, format!("not found: it {what_for}"))
    }
}
