//! Builds the guest agent, statically, so that the `rxpath` command carries it and is one self-contained file.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The agent runs in an x86-64 guest whatever builds the harness.
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for input in ["guest/src", "guest/Cargo.toml", "Cargo.lock", "harness/build.rs"] {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    let target_dir = out.join("guest");
    build_agent(&root, &target_dir);
    let agent = target_dir.join(TARGET).join("agent/rxpath-guest");
    std::fs::copy(&agent, out.join("rxpath-guest"))
        .unwrap_or_else(|why| panic!("copying the agent from {}: {why}", agent.display()));
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
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("CARGO_BUILD_TARGET");
    let status = build.status().unwrap_or_else(|why| panic!("running {build:?}: {why}"));
    assert!(status.success(), "building the guest agent failed ({status}); the command was {build:?}");
}
