//! `rxpath diff` between two kernels.

use super::Tested;
use super::process::{rxpath, said};

#[test]
fn a_diff_names_a_level_that_appeared_and_runs_nothing_twice() -> Tested {
    let arguments = ["diff", "recv/tcp-ready", "--from", "5.10", "--to", "7.3", "--format", "json"];
    let output = rxpath(None, &arguments).output()?;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let cases = report["cases"].as_array().ok_or("no cases")?;
    let sections = cases.iter().flat_map(|case| case["sections"].as_array().into_iter().flatten());
    let lines: Vec<_> = sections.flat_map(|section| section["lines"].as_array().into_iter().flatten()).collect();
    let locked = lines.iter().find(|line| line["text"] == "tcp_recvmsg_locked").ok_or("no tcp_recvmsg_locked")?;
    assert_eq!((&locked["change"], &locked["reason"]["code"]), (&"level_appeared".into(), &"no_symbol".into()));
    let functions = report["functions"].as_array().ok_or("no functions")?;
    let of = |name: &str| functions.iter().find(|one| one["function"] == name);
    let added = of("tcp_recvmsg_locked").ok_or("tcp_recvmsg_locked has no self cost")?;
    assert!(added["before"] == 0 && added["now"].as_u64() > Some(0), "{added}");
    // The second time, both results are saved: the same bytes, without a guest.
    let again = rxpath(None, &arguments).output()?;
    assert_eq!(again.stdout, output.stdout);
    Ok(())
}

#[test]
fn a_kernel_is_not_compared_with_itself() -> Tested {
    let output = rxpath(None, &["diff", "recv/tcp-ready", "--from", "6.12", "--to", "6.12"]).output()?;
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("--from and --to are the same kernel, 6.12"), "{}", said(&output));
    Ok(())
}
