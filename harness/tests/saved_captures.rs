//! Saved captures and trace.dat files, through `rxpath decode` as a user runs it and through the folder's own reader.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use rxpath::suite::{CaptureMetadata, SAVED_VERSION, SavedCapture, SavedError, saved_captures};

fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("harness/tests/data")
}

/// Exit code, standard output and standard error of `rxpath decode PATH`.
fn decode(path: &Path) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_rxpath")).arg("decode").arg(path).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The calls of a printed capture, without marks: these name tasks, and a trace.dat names more of them.
fn calls(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with(' ') && !line.contains('~')).collect()
}

fn about() -> CaptureMetadata {
    let (case, kernel, release) = ("recv/x".into(), "7.3".into(), "7.3.4".to_owned());
    CaptureMetadata { version: SAVED_VERSION, case, kernel, release, digest: String::new() }
}

#[test]
fn a_capture_and_the_trace_dat_of_it_print_the_same_calls() {
    let (code, raw, _) = decode(&data().join("6.12"));
    assert_eq!(code, 0);
    let nested = calls(&raw);
    let depth_of = |name: &str| {
        let line = nested.iter().find(|line| line.trim_end().ends_with(&format!(" {name}"))).unwrap();
        line.len() - name.len()
    };
    assert_eq!(depth_of("tcp_recvmsg_locked"), depth_of("tcp_recvmsg") + 2);
    for file in ["6.12-v6.dat", "6.12-v7-zstd.dat"] {
        let (code, dat, _) = decode(&data().join("trace-cmd").join(file));
        assert_eq!((code, calls(&dat)), (0, calls(&raw)), "{file}");
    }
}

#[test]
fn a_trace_dat_whose_kallsyms_hides_its_addresses_prints_them_with_one_remark() {
    let mut dat = std::fs::read(data().join("trace-cmd/6.12-v6.dat")).unwrap();
    // As a user without CAP_SYSLOG reads /proc/kallsyms.
    for at in 0..dat.len() - 18 {
        if dat[at..].starts_with(b"ffffffff") && (dat[at + 16], dat[at + 18]) == (b' ', b' ') {
            dat[at..at + 16].fill(b'0');
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hidden.dat");
    std::fs::write(&file, &dat).unwrap();
    let (_, named, _) = decode(&data().join("trace-cmd/6.12-v6.dat"));
    let (code, hidden, remark) = decode(&file);
    assert_eq!((code, remark.lines().count()), (0, 1), "{remark}");
    assert!(remark.contains("functions are shown as addresses: kallsyms hides"), "{remark}");
    assert_eq!(calls(&hidden).len(), calls(&named).len());
    let is_address = |line: &&str| line.split_whitespace().next_back().is_some_and(|name| name.starts_with("0xffff"));
    // The first line after the heading of a task is that of the columns.
    let rows = calls(&hidden).into_iter().filter(|line| !line.trim_end().ends_with(" ns"));
    assert_eq!(rows.filter(|line| !is_address(line)).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn what_cannot_be_decoded_is_a_wrong_request_with_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let broken = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let whole = std::fs::read(data().join("trace-cmd/6.12-v6.dat")).unwrap();
    let mut other_version = whole.clone();
    other_version[10] = b'9';
    for (path, expected) in [
        (broken("empty.dat", b""), "not a trace.dat"),
        (broken("text.dat", b"hello"), "not a trace.dat"),
        (broken("cut.dat", &whole[..3000]), "byte "),
        (broken("version.dat", &other_version), "version"),
        (folder.path().join("nowhere"), "No such file"),
        (folder.path().to_owned(), "not a saved capture"),
    ] {
        let (code, out, why) = decode(&path);
        assert_eq!((code, out.as_str()), (2, ""), "{}: {why}", path.display());
        assert!(why.contains(expected) && why.contains(path.to_str().unwrap()), "{why}");
    }
}

#[test]
fn a_damaged_capture_says_which_file_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("capture");
    let damaged = |damage: &dyn Fn(&Path)| {
        SavedCapture::read(&data().join("7.3")).unwrap().write(&place, &about()).unwrap();
        damage(&place);
        let (code, _, why) = decode(&place);
        assert_eq!(code, 2, "{why}");
        why
    };
    let cut = |file: &str, keep: usize| {
        let bytes = std::fs::read(place.join(file)).unwrap();
        std::fs::write(place.join(file), &bytes[..keep]).unwrap();
    };
    assert!(damaged(&|_| cut("cpu1.pages", 5000)).contains("cpu 1, page 1"));
    assert!(damaged(&|_| cut("kallsyms", 40)).contains("line 2"));
    assert!(damaged(&|at| std::fs::write(at.join("cmdlines"), "1 init\nx\n").unwrap()).contains("cmdlines, line 2"));
    assert!(
        damaged(&|at| std::fs::remove_file(at.join("cpu0.pages"))
            .and(std::fs::remove_file(at.join("cpu1.pages")))
            .unwrap())
        .contains("cpuN.pages")
    );
    assert!(damaged(&|at| std::fs::remove_file(at.join("formats/funcgraph_exit")).unwrap()).contains("funcgraph_exit"));
}

#[test]
fn a_capture_written_reads_back_and_replaces_only_captures() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("recv/x/7.3");
    let mut capture = SavedCapture::read(&data().join("7.3")).unwrap();
    capture.comms = BTreeMap::from([(1, "init".to_owned()), (97, "a name with spaces".to_owned())]);
    for _ in 0..2 {
        capture.write(&place, &about()).unwrap();
        assert_eq!(SavedCapture::read(&place).unwrap(), capture);
    }
    assert_eq!(saved_captures(folder.path()).unwrap(), vec![place.clone()]);
    let found: CaptureMetadata =
        serde_json::from_str(&std::fs::read_to_string(place.join("capture.json")).unwrap()).unwrap();
    assert_eq!(found, about());
    // Nothing half-made stays beside it.
    assert_eq!(std::fs::read_dir(place.parent().unwrap()).unwrap().count(), 1);
    let other = folder.path().join("home");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("letter"), "dear").unwrap();
    assert!(matches!(capture.write(&other, &about()), Err(SavedError::InTheWay { .. })));
    assert_eq!(std::fs::read_to_string(other.join("letter")).unwrap(), "dear");
}
