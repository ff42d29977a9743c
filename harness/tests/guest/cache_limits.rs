//! What `rxpath cache prune` and `rxpath run --no-keep` leave in a cache.

use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::process::Signal;

use super::Tested;
use super::common::project;
use super::process::{qemu_of, rxpath, said, signal};

const CASE: &str = "recv/tcp-blocking";

#[test]
fn a_prune_removes_the_least_recently_used_kernels_with_their_images() -> Tested {
    let folder = tempfile::tempdir()?;
    let cache = empty_cache(folder.path())?;
    let kernels = [("6.1.0", 'a', 3), ("6.2.0", 'b', 1), ("6.3.0", 'c', 2)];
    for (release, digit, days) in kernels {
        own_kernel(&cache, release, digit, days)?;
    }
    let ask = |arguments: &[&str]| -> Result<String, Box<dyn Error>> {
        let output = rxpath(Some(&cache), &[&["cache"], arguments].concat()).output()?;
        if output.status.success() { Ok(said(&output)) } else { Err(said(&output).into()) }
    };
    let listed = ask(&[])?;
    let at = |name: &str| listed.find(name).ok_or(format!("no {name} in {listed}"));
    assert!(at("6.2.0@bbbbbbbb")? < at("6.3.0@cccccccc")? && at("6.3.0@cccccccc")? < at("6.1.0@aaaaaaaa")?, "{listed}");
    assert!(listed.contains("1 day ago") && listed.contains("frees 0.0 MB"), "{listed}");

    let planned = ask(&["prune", "--dry-run", "--keep", "1"])?;
    assert!(
        planned.contains("1 image kept") && planned.contains("2 kernels and 2 images would be removed"),
        "{planned}"
    );
    assert_eq!(left(&cache)?, 6);
    let pruned = ask(&["prune", "--keep", "2"])?;
    assert!(pruned.contains("removed  kernel 6.1.0@aaaaaaaa with 1 image, last used 3 days ago"), "{pruned}");
    assert_eq!(left(&cache)?, 4);
    ask(&["prune", "--max-size", "4G"])?;
    assert_eq!(left(&cache)?, 4);
    ask(&["prune", "--max-size", "0"])?;
    assert_eq!(left(&cache)?, 0);
    assert!(ask(&["prune", "--max-size", "4 apples"]).unwrap_err().to_string().contains("such as 500M or 4G"));
    Ok(())
}

#[test]
fn nothing_stays_of_a_kernel_that_is_not_kept_unless_it_was_there_before() -> Tested {
    let folder = tempfile::tempdir()?;
    let cache = empty_cache(folder.path())?;
    let vmlinux = vmlinux()?;
    let arguments = ["run", "--bisect", "--no-keep", "-k", vmlinux.to_str().ok_or("not UTF-8")?, "-c", CASE];
    let mut interrupted = rxpath(Some(&cache), &arguments).spawn()?;
    qemu_of(&interrupted).ok_or("no QEMU came up")?;
    signal(&interrupted, Signal::INT);
    interrupted.wait()?;
    assert_eq!(left(&cache)?, 0);

    let output = rxpath(Some(&cache), &arguments).output()?;
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    // One machine is all that the case needs.
    assert_eq!(text.matches("preparing ").count(), 1, "{text}");
    assert_eq!(left(&cache)?, 0);
    assert!(fs::read_dir(cache.join("staging"))?.next().is_none());

    // What was there before the run stays.
    let keeping: Vec<&str> = arguments.into_iter().filter(|argument| *argument != "--no-keep").collect();
    rxpath(Some(&cache), &keeping).output()?;
    assert_eq!(left(&cache)?, 2);
    rxpath(Some(&cache), &arguments).output()?;
    assert_eq!(left(&cache)?, 2);
    Ok(())
}

/// A cache with nothing but QEMU.
fn empty_cache(at: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let project = project()?;
    project.fetch(&[], &|_| {})?;
    let cache = at.join("cache");
    fs::create_dir_all(cache.join("kernels"))?;
    std::os::unix::fs::symlink(project.cache.root().join("qemu"), cache.join("qemu"))?;
    fs::copy(project.cache.root().join("CACHEDIR.TAG"), cache.join("CACHEDIR.TAG"))?;
    Ok(cache)
}

/// The kernel of 6.12, as a file outside the cache.
fn vmlinux() -> Result<PathBuf, Box<dyn Error>> {
    let project = project()?;
    let fetched = project.fetch(&project.pins.select(&["6.12"])?, &|_| {})?;
    let digest = fetched.kernels[0].digest.to_string();
    let folders = fs::read_dir(project.cache.root().join("kernels"))?.flatten();
    let mut folders = folders.filter(|entry| entry.file_name().to_string_lossy().starts_with(&digest));
    Ok(folders.next().ok_or("6.12 is not in the cache")?.path().join("vmlinux"))
}

/// Puts a kernel of one's own with one image into a cache, used so many days ago.
fn own_kernel(cache: &Path, release: &str, digit: char, days: u64) -> Tested {
    let digest = digit.to_string().repeat(64);
    let kernel = cache.join("kernels").join(format!("{digest}-own1"));
    let image = cache.join("images").join(&digest[..32]);
    for folder in [&kernel, &image] {
        fs::create_dir_all(folder)?;
    }
    fs::write(kernel.join("vmlinux"), "ELF")?;
    let manifest = serde_json::json!({"release": release, "banner": "", "boots": "vmlinux", "boot_size": 3});
    fs::write(kernel.join("kernel.json"), manifest.to_string())?;
    let description = serde_json::json!({
        "kernel": format!("{release}@{}", &digest[..8]), "kernel_digest": digest, "qemu": "10", "machine": "2 CPUs",
        "times": {"untraced_ms": 1, "traced_ms": 1}, "digests": [],
    });
    fs::write(image.join("image.json"), description.to_string())?;
    for folder in [&kernel, &image] {
        File::open(folder)?.set_modified(SystemTime::now() - Duration::from_secs(days * 24 * 3600 + 60))?;
    }
    Ok(())
}

/// The number of unpacked kernels, packages and images in a cache.
fn left(cache: &Path) -> Result<usize, Box<dyn Error>> {
    let count = |folder| fs::read_dir(cache.join(folder)).into_iter().flatten().count();
    Ok(["kernels", "images", "unpacked", "references"].map(count).iter().sum())
}
