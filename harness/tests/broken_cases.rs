//! Broken case files, and the exact diagnostics for them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rxpath::case::{Diagnostics, KernelFunctions, Source, check_functions, parse};
use rxpath::kernel::Series;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/tests/data")
}

/// What `rxpath cases check` prints for a file in data/broken-cases/, including errors in the names of real kernels'
/// functions.
fn diagnostics(name: &str) -> String {
    let path = data().join("broken-cases").join(format!("{name}.yaml"));
    let text = fs::read_to_string(&path).unwrap();
    let source = Source { path: format!("cases/broken/{name}.yaml").into(), text };
    let wrong = match parse(&format!("broken/{name}"), source) {
        Err(wrong) => wrong,
        Ok(cases) => {
            let kernels = ["5.10", "6.1", "6.12"].map(Traceable::of);
            Diagnostics::new(cases.iter().flat_map(|case| check_functions(case, &kernels)).collect())
        }
    };
    wrong.to_string()
}

/// The functions of the receive path that can be traced on a kernel (`available_filter_functions`, the net/ part of it).
struct Traceable {
    series: Series,
    names: BTreeSet<String>,
}

impl Traceable {
    fn of(series: &str) -> Self {
        let text = fs::read_to_string(data().join("traceable").join(format!("{series}.txt"))).unwrap();
        Self { series: series.parse().unwrap(), names: text.lines().map(str::to_owned).collect() }
    }
}

impl KernelFunctions for Traceable {
    fn series(&self) -> Series {
        self.series
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    fn names(&self) -> BTreeSet<&str> {
        self.names.iter().map(String::as_str).collect()
    }
}

macro_rules! exactly {
    ($($behaviour:ident: $name:literal;)*) => {
        $(
            #[test]
            fn $behaviour() {
                let mut settings = insta::Settings::clone_current();
                settings.set_snapshot_path(data().join("broken-cases"));
                settings.set_prepend_module_to_snapshot(false);
                settings.set_omit_expression(true);
                settings.bind(|| insta::assert_snapshot!($name, diagnostics($name)));
            }
        )*

        #[test]
        fn every_broken_case_has_its_test() {
            let mut files: Vec<String> = fs::read_dir(data().join("broken-cases"))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
                .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
                .collect();
            files.sort();
            let mut tested = vec![$($name),*];
            tested.sort();
            assert_eq!(files, tested);
        }
    };
}

exactly! {
    packets_and_modules_have_valid_forms: "packets";
    a_group_of_steps_has_steps_and_a_number: "groups";
    an_unknown_profile_or_group_is_reported_with_the_nearest: "unknown-group";
    a_wrong_type_is_reported_with_what_was_expected: "wrong-type";
    an_unknown_operation_is_reported_with_the_nearest: "unknown-operation";
    an_unknown_function_is_reported_with_the_nearest_of_real_kernels: "unknown-function";
    a_cycle_of_waiting_is_reported_step_by_step: "cycle";
    an_undefined_name_is_reported_with_the_nearest: "undefined-name";
    an_actor_that_never_ends_is_reported: "never-ends";
    an_unknown_actor_is_reported_wherever_it_occurs: "unknown-actor";
    a_kernel_that_was_never_released_is_reported: "unknown-kernel";
    an_unknown_constant_is_reported_with_the_nearest: "unknown-constant";
    a_name_given_twice_is_reported_at_the_second: "duplicates";
    an_unknown_context_is_reported: "unknown-context";
    invalid_yaml_is_reported_where_it_breaks: "syntax";
    missing_keys_are_all_reported: "missing-keys";
    bytes_that_no_step_sends_are_reported: "wrong-data";
    what_an_operation_does_not_return_is_reported: "wrong-details";
}
