//! An image that differs from a booted one only by modules and settings is derived from it.

use std::error::Error;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

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

/// A cache of its own with nothing but the booted machine that the case's image is derived from, and that image's future folder.
fn cache_with_base(folder: &Path) -> Result<(PathBuf, PathBuf), Box<dyn Error>> {
    let project = project()?;
    let all = project.cases()?;
    let fetched = project.fetch(&project.pins.select(&[KERNEL])?, &|_| {})?;
    let case = *choose(&all, &[CASE.to_owned()])?.first().ok_or("no such case")?;
    let image = image_with_files(case, &fetched.kernels[0], &fetched, &project.images(), Vec::new())?;
    let description: serde_json::Value = serde_json::from_slice(&fs::read(image.folder().join("image.json"))?)?;
    let base = description["base"].as_str().ok_or("the image is not derived")?;
    let cache = private_cache(folder)?;
    let images = cache.join("images");
    fs::create_dir(&images)?;
    symlink(image.folder().with_file_name(base), images.join(base))?;
    Ok((cache, images.join(image.folder().file_name().ok_or("no key")?)))
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
