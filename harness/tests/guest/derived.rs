//! An image that differs from a booted one only by modules and settings is derived from it.

use std::error::Error;
use std::fs;
use std::os::unix::fs::symlink;
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
    let (first, _) = captures(None)?;
    let folder = tempfile::tempdir()?;
    let cache = private_cache(folder.path())?;
    // Only the booted machine is there.
    let base = base()?;
    fs::create_dir(cache.join("images"))?;
    symlink(&base, cache.join("images").join(base.file_name().ok_or("no key")?))?;
    let (second, text) = captures(Some(&cache))?;
    assert_eq!(first, second);
    let made: Vec<&str> = text.lines().filter(|line| line.starts_with("preparing")).collect();
    assert!(matches!(made[..], [one] if one.contains("with veth")), "{text}");
    Ok(())
}

/// The folder of the image that the case's image is derived from, in the shared cache.
fn base() -> Result<PathBuf, Box<dyn Error>> {
    let project = project()?;
    let all = project.cases()?;
    let fetched = project.fetch(&project.pins.select(&[KERNEL])?, &|_| {})?;
    let case = *choose(&all, &[CASE.to_owned()])?.first().ok_or("no such case")?;
    let image = image_with_files(case, &fetched.kernels[0], &fetched, &project.images(), Vec::new())?;
    let description: serde_json::Value = serde_json::from_slice(&fs::read(image.folder().join("image.json"))?)?;
    let key = description["base"].as_str().ok_or("the image is not derived")?;
    Ok(image.folder().with_file_name(key))
}

/// The digests of the case's two captures, and what the command said.
fn captures(cache: Option<&Path>) -> Result<(Vec<String>, String), Box<dyn Error>> {
    let file = tempfile::NamedTempFile::new()?;
    let json = file.path().to_str().ok_or("not UTF-8")?;
    let output = rxpath(cache, &["run", "-k", KERNEL, "-c", CASE, "--json", json]).output()?;
    let results: Results = serde_json::from_slice(&fs::read(file.path())?)?;
    let digests: Vec<String> =
        results.cases.into_iter().flat_map(|result| [result.capture_digest, result.timing_digest]).collect();
    if digests.is_empty() { Err(said(&output).into()) } else { Ok((digests, said(&output))) }
}
