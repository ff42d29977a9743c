//! The program outside a repository: it carries cases, pins and snapshots, and takes kernels at paths.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs rxpath in `folder`, with a cache of its own there.
fn rxpath(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rxpath"));
    command.args(arguments).current_dir(folder).env("RXPATH_CACHE", folder.join("cache")).env_remove("RXPATH_ROOT");
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)].concat()
}

#[test]
fn outside_a_repository_the_programs_own_cases_are_listed_and_the_folder_stays_empty() {
    let folder = tempfile::tempdir().unwrap();
    let output = rxpath(folder.path(), &["cases", "list"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("recv/tcp-blocking"), "{}", text(&output));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["cache"]);
}

#[test]
fn what_writes_into_a_repository_says_how_to_make_one() {
    let folder = tempfile::tempdir().unwrap();
    let output = rxpath(folder.path(), &["cases", "new", "mine/first"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("rxpath init DIR"), "{}", text(&output));
}

#[test]
fn a_repository_of_ones_own_has_the_catalogues_cases_and_takes_more() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code) in [
        (&["init", "mine"][..], 0),
        (&["init", "mine"], 2),
        (&["--root", "mine", "cases", "new", "mine/first"], 0),
        (&["--root", "mine", "cases", "check"], 0),
        (&["--root", "elsewhere", "cases", "check"], 2),
    ] {
        let output = rxpath(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output));
    }
    assert!(folder.path().join("mine/cases/mine/first.yaml").is_file());
    assert!(folder.path().join("mine/snapshots/recv/tcp-blocking/6.12.snap").is_file());
}

#[test]
fn errors_in_case_files_begin_with_error_and_a_check_without_images_says_what_it_left_out() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["init", "mine"][..], &["--root", "mine", "cases", "new", "mine/first"]] {
        assert_eq!(rxpath(folder.path(), arguments).status.code(), Some(0), "{arguments:?}");
    }
    let output = rxpath(folder.path(), &["--root", "mine", "cases", "check"]);
    let checked = text(&output);
    assert_eq!(output.status.code(), Some(0), "{checked}");
    assert!(
        checked.contains("functions not checked on 5.10, 6.1, 6.12, 6.18, 7.2, 7.3: no image in the cache"),
        "{checked}"
    );
    let file = folder.path().join("mine/cases/mine/first.yaml");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("bytes: 64}", "bytes: many}")).unwrap();
    let output = rxpath(folder.path(), &["--root", "mine", "cases", "check"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).starts_with("error: `many` is not a number of bytes"), "{}", text(&output));
}

#[test]
fn the_matrix_of_a_case_without_snapshots_is_refused_before_anything_is_fetched() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["init", "mine"][..], &["--root", "mine", "cases", "new", "mine/first"]] {
        assert_eq!(rxpath(folder.path(), arguments).status.code(), Some(0), "{arguments:?}");
    }
    let output = rxpath(folder.path(), &["--root", "mine", "matrix", "mine/first"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("mine/first has no accepted snapshot on 5.10"), "{}", text(&output));
    assert!(!folder.path().join("cache/kernels").exists());
}

/// An ELF file with a PVH note and a banner, unpacked and as the kernel's build packs a vmlinux.
macro_rules! payload {
    ($name:literal) => {
        ($name, include_bytes!(concat!("data/payload/", $name)).as_slice())
    };
}
const UNPACKED: &[u8] = payload!("unpacked").1;
const PACKED: [(&str, &[u8]); 7] = [
    payload!("gz"),
    payload!("bz2"),
    payload!("lzma"),
    payload!("xz"),
    payload!("lzo"),
    payload!("lz4"),
    payload!("zst"),
];

/// A bzImage of 6.1.0-x with this payload (Documentation/arch/x86/boot.rst).
fn bz_image(payload: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 1024];
    let length = (payload.len() as u32).to_le_bytes();
    let fields: [(usize, &[u8]); 7] = [
        (0x1f1, &[1]),
        (0x202, b"HdrS"),
        (0x206, &[0xf, 2]),
        (0x20e, &[0, 1]),
        (0x236, &[1]),
        (0x24c, &length),
        (0x300, b"6.1.0-x (me) "),
    ];
    for (at, bytes) in fields {
        image[at..at + bytes.len()].copy_from_slice(bytes);
    }
    image.extend_from_slice(payload);
    image
}

/// A configuration that lacks function_graph only.
fn config_without_function_graph(folder: &Path) -> String {
    let output = rxpath(folder, &["kernels", "config"]);
    text(&output).replace("CONFIG_FUNCTION_GRAPH_TRACER=y", "# CONFIG_FUNCTION_GRAPH_TRACER is not set")
}

/// Writes files below `folder`.
fn write(folder: &Path, files: &[(&str, &[u8])]) {
    for (path, bytes) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// Runs a case on the kernel at `path`, as a user and as git does. Returns the error, which is one line, and the exit code for
/// git.
fn refused(folder: &Path, path: &str) -> (String, Option<i32>) {
    let run = ["run", "-k", path, "-c", "recv/tcp-ready"];
    let user = rxpath(folder, &run);
    let said = text(&user);
    assert_eq!(user.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let git = rxpath(folder, &[&run[..], &["--bisect"]].concat());
    assert_eq!(text(&git).lines().count(), 1, "{}", text(&git));
    (said, git.status.code())
}

#[test]
fn a_kernel_of_any_packing_without_function_graph_is_refused_with_the_option() {
    let folder = tempfile::tempdir().unwrap();
    let config = config_without_function_graph(folder.path());
    for (name, payload) in PACKED {
        let image = format!("{name}/arch/x86/boot/bzImage");
        write(folder.path(), &[(&image, &bz_image(payload)), (&format!("{name}/.config"), config.as_bytes())]);
        let (said, code) = refused(folder.path(), name);
        let reason =
            "cannot run any case: the kernel is built without CONFIG_FUNCTION_GRAPH_TRACER (records the calls)";
        assert!(said.starts_with("rxpath: 6.1.0-x@") && said.contains(reason), "{name}: {said}");
        assert_eq!(code, Some(125), "{name}");
    }
}

#[test]
fn what_is_not_a_kernel_that_can_run_is_one_error_and_skips_the_revision_or_ends_a_bisection() {
    let folder = tempfile::tempdir().unwrap();
    let mut arm64 = UNPACKED.to_vec();
    arm64[18] = 183;
    let (whole, config) = (bz_image(PACKED[0].1), b"CONFIG_ARM64=y\n");
    let files: [(&str, &[u8]); 7] = [
        ("truncated/arch/x86/boot/bzImage", &whole[..1100]),
        ("unbuilt/.config", b"CONFIG_X86_64=y\n"),
        ("odd/arch/x86/boot/bzImage", &bz_image(b"abcdefgh")),
        ("arm64/.config", config),
        ("arm64/vmlinux", &arm64),
        ("installed/boot/vmlinuz-6.1.0-x", &whole),
        ("installed/lib/modules/6.2.0/modules.order", b""),
    ];
    write(folder.path(), &files);
    for (path, expected, code) in [
        ("truncated", "cannot unpack the kernel in ", 125),
        ("unbuilt", "has no arch/x86/boot/bzImage: build it with `make bzImage`", 125),
        ("odd", "starts with 61626364", 125),
        ("arm64", "is a kernel for arm64: rxpath boots kernels for x86-64 only", 129),
        ("installed", "has modules of 6.2.0 only: install those of 6.1.0-x there with `make modules_install`", 125),
        ("absent", "unknown kernel `absent`", 129),
    ] {
        let (said, found) = refused(folder.path(), path);
        assert!(said.contains(expected), "{path}: {said}");
        assert_eq!(found, Some(code), "{path}");
    }
}

#[test]
fn a_wrong_request_never_looks_like_a_bad_kernel_to_git() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, line) in [
        (&["run", "--bisect", "--nonsense"][..], "bisect: stop: the command line runs no case"),
        (&["run", "--bisect", "--repeat", "2", "-k", "6.12"], "bisect: stop: the command line runs no case"),
        (&["cases", "list", "--bisect"], "bisect: stop: the command line runs no case"),
        (&["run", "--bisect"], "bisect: stop: --bisect judges one kernel: name it with --kernel"),
        (&["run", "--bisect", "-k", "6.12,6.18"], "bisect: stop: --bisect judges one kernel: name it with --kernel"),
        (&["run", "--bisect", "-k", "6.12", "-c", "no/such"], "bisect: stop: no case is called `no/such`"),
        (&["run", "--bisect", "-k", "6.12", "--root", "absent"], "bisect: stop: no kernels/kernels.yaml and cases/ in"),
    ] {
        let output = rxpath(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(129), "{arguments:?}: {}", text(&output));
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(out.lines().last().is_some_and(|last| last.starts_with(line)), "{arguments:?}: {}", text(&output));
        assert_eq!(out.matches("bisect: ").count(), 1, "{out}");
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["cache"]);
}

#[test]
fn a_kernel_that_cannot_be_used_is_reported_before_anything_is_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let kernel = |name: &str| format!(r#"{{"name": "{name}", "version": "1", "unlocked": false}}"#);
    let kernels = [kernel("6.1"), kernel("6.12")].join(", ");
    let results = format!(r#"{{"version": 2, "kernels": [{kernels}], "qemu": "10", "mode": "exact", "cases": []}}"#);
    fs::write(folder.path().join("two.json"), results).unwrap();
    fs::write(folder.path().join("a.deb"), "").unwrap();
    let run = ["run", "-c", "recv/tcp-ready"];
    for (arguments, message) in [
        (&["-k", "6.18*"][..], "releases are named as 6.12.107, 6.18.* or 6.16..6.19"),
        (&["-k", "a.deb, b.deb"], "b.deb does not exist"),
        (
            &["-k", "6.12", "--against", "two.json"],
            "two.json has the results of 6.1, 6.12, expected those of one kernel",
        ),
        (&["-k", "6.12", "--against", "6.1,6.18"], "--against takes one kernel, and 6.1,6.18 names 2: 6.1, 6.18"),
    ] {
        let output = rxpath(folder.path(), &[&run[..], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(message), "{arguments:?}: {}", text(&output));
    }
    let output = rxpath(folder.path(), &["matrix", "recv/tcp-ready", "-k", "6.12.107"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("accepted snapshots, which only pinned kernels have"), "{}", text(&output));
}
