//! Parses whole trace.dat files and decodes their contents.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rxpath::trace::{Symbols, TraceDat, decode};

fuzz_target!(|file: &[u8]| {
    let Ok(dat) = TraceDat::parse(file) else { return };
    let _ = decode(&dat.text(), &dat.cpu_pages());
    if let Ok(symbols) = Symbols::parse(&dat.kallsyms, "") {
        let again = Symbols::from_bytes(&symbols.to_bytes()).expect("what was just written");
        assert_eq!(symbols.name(u64::MAX), again.name(u64::MAX));
    }
});
