//! Builds what makes the `rxpath` command one self-contained file: the guest agent, and the catalogue of cases, pins and
//! snapshots.

use std::env;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

/// The agent runs in an x86-64 guest whatever builds the harness.
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for input in ["guest/src", "guest/Cargo.toml", "Cargo.lock", "harness/build.rs"] {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    // TARGET/PROFILE/build/PACKAGE/out: debug and release builds share the agent, whose profile is its own.
    let target_dir = out.ancestors().nth(4).unwrap_or(&out).join("agent");
    build_agent(&root, &target_dir);
    let agent = target_dir.join(TARGET).join("agent/rxpath-guest");
    std::fs::copy(&agent, out.join("rxpath-guest"))
        .unwrap_or_else(|error| panic!("copying the agent from {}: {error}", agent.display()));
    pack_catalogue(&root, &out.join("catalogue.tar.gz"))
        .unwrap_or_else(|error| panic!("packing the catalogue: {error}"));
}

/// The folders of the catalogue, in the order in which they are packed.
const CATALOGUE: [&str; 3] = ["cases", "kernels", "snapshots"];

/// Packs the catalogue: the same files give the same bytes.
fn pack_catalogue(root: &Path, archive: &Path) -> io::Result<()> {
    let mut tar = tar::Builder::new(GzEncoder::new(File::create(archive)?, Compression::best()));
    for folder in CATALOGUE {
        // A debug build may carry an older catalogue: in the repository, cases are read from their files.
        if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
            println!("cargo::rerun-if-changed={}", root.join(folder).display());
        }
        pack_folder(&mut tar, root, Path::new(folder))?;
    }
    tar.into_inner()?.finish()?;
    Ok(())
}

fn pack_folder<W: io::Write>(tar: &mut tar::Builder<W>, root: &Path, folder: &Path) -> io::Result<()> {
    let mut entries = std::fs::read_dir(root.join(folder))?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let name = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            pack_folder(tar, root, &name)?;
        } else if name
            .extension()
            .is_some_and(|extension| ["yaml", "json", "snap"].iter().any(|kept| extension == *kept))
        {
            let content = std::fs::read(entry.path())?;
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append_data(&mut header, &name, &*content)?;
        }
    }
    Ok(())
}

/// Where cargo keeps the sources of dependencies (the Cargo Book, "Cargo Home"): their paths are in panic messages.
fn cargo_home() -> PathBuf {
    let home = || env::home_dir().unwrap_or_default().join(".cargo");
    env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}

fn build_agent(root: &Path, target_dir: &Path) {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .current_dir(root)
        .args(["build", "--package", "rxpath-guest", "--bin", "rxpath-guest", "--features", "agent"])
        .args(["--profile", "agent", "--target", TARGET, "--target-dir"])
        .arg(target_dir)
        // No dynamic loader in the guest, and nothing of this machine's folders in the agent's bytes.
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            [
                "-Ctarget-feature=+crt-static".to_owned(),
                "-Crelocation-model=static".to_owned(),
                format!("--remap-path-prefix={}=/rxpath", root.display()),
                format!("--remap-path-prefix={}=/cargo", cargo_home().display()),
            ]
            .join("\x1f"),
        )
        // The outer build's settings (clippy's wrapper, coverage, another target) are not the agent's.
        .env_remove("CARGO_INCREMENTAL")
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("CARGO_BUILD_TARGET");
    let status = build.status().unwrap_or_else(|error| panic!("running {build:?}: {error}"));
    assert!(status.success(), "building the guest agent failed ({status}); the command was {build:?}");
}
