//! An image that differs from a booted one only by modules and settings is derived from it.

use std::error::Error;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rxpath::suite::{Results, choose, image_with_files};

use super::Tested;
use super::commands::private_cache;
use super::common::project;
use super::process::{rxpath, said};

const KERNEL: &str = "6.12";
/// On a veth pair, so on an image with a module and a setup of its own.
const CASE: &str = "softirq/veth-rx";

#[test]
fn a_derived_image_takes_no_boot_and_is_the_same_in_every_cache() -> Tested {
    let folder = tempfile::tempdir()?;
    let (cache, image) = cache_with_base(folder.path())?;
    let shared = Ran::with(None)?;
    let made = Ran::with(Some(&cache))?;
    assert!(
        matches!(&made.preparing[..], [one] if one.contains("with veth") && one.contains("no warm image yet")),
        "{made:?}"
    );
    assert_eq!(made.digests, shared.digests);
    assert!(image.is_dir(), "{}", image.display());
    Ok(())
}

#[test]
fn a_damaged_or_truncated_image_is_noticed_and_derived_again() -> Tested {
    let folder = tempfile::tempdir()?;
    let (cache, image) = cache_with_base(folder.path())?;
    let whole = Ran::with(Some(&cache))?;
    let file = || File::options().read(true).write(true).open(image.join("untraced.image"));
    let length = file()?.metadata()?.len();
    // The last bytes are the devices' state, which every restore reads.
    let (mut byte, at) = ([0], length - 100);
    file()?.read_exact_at(&mut byte, at)?;
    file()?.write_all_at(&[byte[0] ^ 1], at)?;
    let again = Ran::with(Some(&cache))?;
    assert!(matches!(&again.preparing[..], [one] if one.contains("is damaged")), "{again:?}");
    assert_eq!(again.digests, whole.digests);
    file()?.set_len(length / 2)?;
    let again = Ran::with(Some(&cache))?;
    assert!(matches!(&again.preparing[..], [one] if one.contains("is damaged")), "{again:?}");
    assert_eq!(again.digests, whole.digests);
    Ok(())
}

#[test]
fn a_damaged_base_is_noticed_and_booted_again() -> Tested {
    let folder = tempfile::tempdir()?;
    let (cache, _) = cache_with_base(folder.path())?;
    let base = cache.join("images").join(base_of(&image_folder()?)?);
    let shared = fs::canonicalize(&base)?;
    fs::remove_file(&base)?;
    copy(&shared, &base)?;
    let whole = Ran::with(Some(&cache))?;
    assert!(matches!(&whole.preparing[..], [one] if one.contains("with veth")), "{whole:?}");
    // A page of the kernel's memory.
    let file = File::options().read(true).write(true).open(base.join("traced.image"))?;
    let (mut byte, at) = ([0], MEMORY_AT + (16 << 20));
    file.read_exact_at(&mut byte, at)?;
    file.write_all_at(&[byte[0] ^ 1], at)?;
    let again = Ran::with(Some(&cache))?;
    // What is derived from it is made again if the new base differs: device states of two boots may.
    let base = again.preparing.first().ok_or("nothing was made")?;
    assert!(base.contains("traced.image has digest") && !base.contains("veth"), "{again:?}");
    assert_eq!(again.digests, whole.digests);
    Ok(())
}

#[test]
fn a_guest_restored_over_its_base_gives_the_bytes_of_one_restored_from_a_whole_image() -> Tested {
    let folder = tempfile::tempdir()?;
    let (cache, image) = cache_with_base(folder.path())?;
    let over_base = Ran::with(Some(&cache))?;
    let base = cache.join("images").join(base_of(&image)?);
    let shared = fs::canonicalize(&base)?;
    fs::remove_file(&base)?;
    copy(&shared, &base)?;
    for kind in ["untraced.image", "traced.image"] {
        compose(&image.join(kind), &base.join(kind))?;
    }
    for folder in [&image, &base] {
        call_verified(folder)?;
    }
    let from_whole = Ran::with(Some(&cache))?;
    assert!(from_whole.preparing.is_empty(), "{from_whole:?}");
    assert_eq!(from_whole.digests, over_base.digests);
    Ok(())
}

const PAGE: u64 = 4096;
/// Where the pages of memory begin in an image (`vm/mapped.rs`).
const MEMORY_AT: u64 = 1 << 20;

/// Moves the pages of a derived image into the memory of its base, so that a restore has none left to read.
fn compose(derived: &Path, memory: &Path) -> Tested {
    let open = |path: &Path| File::options().read(true).write(true).open(path);
    let (derived, memory) = (open(derived)?, open(memory)?);
    let mut head = vec![0; MEMORY_AT as usize];
    derived.read_exact_at(&mut head, 0)?;
    let name = b"\x06pc.ram";
    let at = head.windows(name.len()).position(|window| window == name).ok_or("no memory")? + name.len();
    let number = |at: usize| head[at..at + 8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let (pages, bitmap_at) = (number(at) / PAGE, number(at + 20));
    let mut page = vec![0; PAGE as usize];
    let mut moved = 0;
    for number in 0..pages {
        if head[(bitmap_at + number / 8) as usize] >> (number % 8) & 1 == 1 {
            derived.read_exact_at(&mut page, MEMORY_AT + number * PAGE)?;
            memory.write_all_at(&page, MEMORY_AT + number * PAGE)?;
            moved += 1;
        }
    }
    assert!((100..5_000).contains(&moved), "{moved} pages differ");
    derived.write_all_at(&vec![0; (pages / 8) as usize], bitmap_at)?;
    Ok(())
}

/// Makes rxpath believe that it found the files of an image whole (`kernel/verified.rs`).
fn call_verified(image: &Path) -> Tested {
    let description: serde_json::Value = serde_json::from_slice(&fs::read(image.join("image.json"))?)?;
    let mut checked = Vec::new();
    for entry in description["digests"].as_array().ok_or("no digests")? {
        let name = entry[0].as_str().ok_or("no name")?;
        let data = fs::metadata(image.join(name))?;
        checked.push(serde_json::json!({
            "name": name, "digest": entry[1], "device": data.dev(), "inode": data.ino(), "size": data.size(),
            "modified": [data.mtime(), data.mtime_nsec()], "changed": [data.ctime(), data.ctime_nsec()],
        }));
    }
    Ok(fs::write(image.join("checked.json"), serde_json::to_vec(&checked)?)?)
}

/// Copies an image, with its holes.
fn copy(image: &Path, to: &Path) -> Tested {
    let status = Command::new("cp").args(["--recursive", "--sparse=always"]).args([image, to]).status()?;
    if status.success() { Ok(()) } else { Err(format!("cp: {status}").into()) }
}

/// A cache of its own with nothing but the booted machine that the case's image is derived from, and that image's future folder.
fn cache_with_base(folder: &Path) -> Result<(PathBuf, PathBuf), Box<dyn Error>> {
    let image = image_folder()?;
    let base = base_of(&image)?;
    let cache = private_cache(folder)?;
    let images = cache.join("images");
    fs::create_dir(&images)?;
    symlink(image.with_file_name(&base), images.join(base))?;
    Ok((cache, images.join(image.file_name().ok_or("no key")?)))
}

/// The case's image in the shared cache.
fn image_folder() -> Result<PathBuf, Box<dyn Error>> {
    let project = project()?;
    let all = project.cases()?;
    let fetched = project.fetch(&project.pins.select(&[KERNEL])?, &|_| {})?;
    let case = *choose(&all, &[CASE.to_owned()])?.first().ok_or("no such case")?;
    let image = image_with_files(case, &fetched.kernels[0], &fetched, &project.images(), Vec::new())?;
    Ok(image.folder().to_owned())
}

/// The key of the image that one is derived from.
fn base_of(image: &Path) -> Result<String, Box<dyn Error>> {
    let description: serde_json::Value = serde_json::from_slice(&fs::read(image.join("image.json"))?)?;
    Ok(description["base"].as_str().ok_or("the image is not derived")?.to_owned())
}

/// What a run of the case came to.
#[derive(Debug)]
struct Ran {
    /// Of the two captures.
    digests: Vec<String>,
    /// The lines about images that were made.
    preparing: Vec<String>,
}

impl Ran {
    fn with(cache: Option<&Path>) -> Result<Self, Box<dyn Error>> {
        let file = tempfile::NamedTempFile::new()?;
        let json = file.path().to_str().ok_or("not UTF-8")?;
        let output = rxpath(cache, &["run", "-k", KERNEL, "-c", CASE, "--json", json]).output()?;
        let text = said(&output);
        let results: Results = serde_json::from_slice(&fs::read(file.path())?).map_err(|_| text.clone())?;
        let digests =
            results.cases.into_iter().flat_map(|result| [result.capture_digest, result.timing_digest]).collect();
        let preparing = text.lines().filter(|line| line.starts_with("preparing")).map(str::to_owned).collect();
        Ok(Self { digests, preparing })
    }
}
