//! Tests the decoder with arbitrary bytes: what a kernel could have written round-trips, and everything else is an
//! error.

mod trace_encoder;

use proptest::prelude::*;
use rxpath::trace::{
    CallForests, CaptureText, CpuPages, Endian, Event, Format, HeaderPage, Layout, Missed, Node, NodeKind, Page,
    Symbols, TaskKey, TraceDat, decode,
};
use trace_encoder::{Contents, Encoder, Machine, Timing};

fn machines() -> impl Strategy<Value = Machine> {
    (any::<bool>(), any::<bool>(), 0..4_usize, prop::sample::select(vec![368_usize, 496, 4080, 16368])).prop_map(
        |(big, long32, layout, data_size)| Machine {
            endian: if big { Endian::Big } else { Endian::Little },
            long: if long32 { 4 } else { 8 },
            layout,
            data_size,
        },
    )
}

fn contents() -> impl Strategy<Value = Contents> {
    prop_oneof![
        (any::<u32>(), 0..100_u32, prop::collection::vec(any::<u32>(), 0..7))
            .prop_map(|(func, depth, args)| Contents::Entry { func: func.into(), depth, args }),
        (any::<u32>(), 0..100_u32, any::<u32>()).prop_map(|(func, depth, overrun)| Contents::Exit {
            func: func.into(),
            depth,
            overrun
        }),
        prop::collection::vec(any::<u8>(), 0..150).prop_map(Contents::Marker),
        (0..64_u16).prop_map(|words| Contents::Unknown { words }),
    ]
}

fn timings() -> impl Strategy<Value = Timing> {
    prop_oneof![
        8 => (0..1_u64 << 27).prop_map(Timing::Delta),
        1 => (0..1_u64 << 40).prop_map(Timing::Extend),
        1 => (0..1_u64 << 40).prop_map(Timing::Absolute),
        1 => (2..1_u64 << 27, 0..9_u32).prop_map(|(delta, words)| Timing::AfterDiscarded { delta, words }),
    ]
}

fn streams() -> impl Strategy<Value = Vec<(Timing, i32, Contents)>> {
    prop::collection::vec((timings(), any::<i32>(), contents()), 0..80)
}

fn decode_bytes(machine: &Machine, cpus: &[CpuPages<'_>]) -> Result<CallForests, String> {
    let (header_page, formats) = machine.describe();
    let text = CaptureText {
        header_page: &header_page,
        formats: formats.iter().map(String::as_str).collect(),
        page_size: None,
        endian: machine.endian,
    };
    decode(&text, cpus).map_err(|error| error.to_string())
}

proptest! {
    #[test]
    fn what_a_kernel_writes_is_decoded_unchanged(
        machine in machines(),
        base in prop_oneof![0..1_u64 << 40, (3_u64 << 59) - 1000..3_u64 << 59, 1_u64 << 62..1_u64 << 63],
        stream in streams(),
    ) {
        let mut encoder = Encoder::new(machine.clone(), base);
        let write = |(timing, pid, contents): &(Timing, i32, Contents)| encoder.write(*timing, *pid, contents);
        let times: Vec<u64> = stream.iter().map(write).collect();
        let pages = encoder.finish();
        let (header_page, formats) = machine.describe();
        let text = CaptureText {
            header_page: &header_page,
            formats: formats.iter().map(String::as_str).collect(),
            page_size: None,
            endian: machine.endian,
        };
        let layout = Layout::new(&text).unwrap();
        let mut events = layout.events(3, &pages);
        for (time, (_, pid, contents)) in times.into_iter().zip(&stream) {
            let event = events.step().unwrap().unwrap();
            prop_assert_eq!((event.time, event.common.pid), (time, *pid));
            match (contents, event.event) {
                (Contents::Entry { func, depth, args }, Event::Entry(entry)) => {
                    prop_assert_eq!((entry.func, entry.depth), (*func, i64::from(*depth)));
                    prop_assert_eq!(entry.args, &machine.arguments(args)[..]);
                    prop_assert_eq!(entry.retaddr.is_some(), machine.has_retaddr());
                }
                (Contents::Exit { func, depth, overrun }, Event::Exit(exit)) => {
                    prop_assert_eq!((exit.func, exit.depth), (*func, i64::from(*depth)));
                    prop_assert_eq!(exit.overrun, u64::from(*overrun));
                }
                (Contents::Marker(payload), Event::Marker { bytes }) => prop_assert!(bytes[4..].starts_with(payload)),
                (Contents::Unknown { .. }, Event::Other { id }) => prop_assert_eq!(id, trace_encoder::UNKNOWN),
                (contents, event) => prop_assert!(false, "wrote {contents:?}, read {event:?}"),
            }
        }
        prop_assert_eq!(events.step().unwrap(), None);
    }

    #[test]
    fn any_bytes_as_pages_decode_or_are_refused(
        machine in machines(),
        first in prop::collection::vec(any::<u8>(), 0..3000),
        second in prop::collection::vec(any::<u8>(), 0..600),
        stats in ".{0,80}",
    ) {
        let cpus = [CpuPages { cpu: 0, pages: &first, stats: &stats }, CpuPages { cpu: 1, pages: &second, stats: "" }];
        if let Err(error) = decode_bytes(&machine, &cpus) {
            prop_assert!(error.starts_with("cpu "), "{}", error);
        }
    }

    #[test]
    fn damaged_pages_decode_or_are_refused_with_their_place(
        machine in machines(),
        stream in streams(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut encoder = Encoder::new(machine.clone(), 1 << 40);
        for (timing, pid, contents) in &stream {
            encoder.write(*timing, *pid, contents);
        }
        let mut pages = encoder.finish();
        for (at, value) in damage {
            let at = at.index(pages.len());
            pages[at] = value;
        }
        let whole = CpuPages { cpu: 7, pages: &pages, stats: "" };
        if let Err(error) = decode_bytes(&machine, &[whole]) {
            prop_assert!(error.starts_with("cpu 7, page "), "{}", error);
        }
        let cut = &pages[..cut.index(pages.len())];
        if !cut.len().is_multiple_of(machine.data_size + machine.header()) {
            let result = decode_bytes(&machine, &[CpuPages { pages: cut, ..whole }]);
            prop_assert!(result.is_err());
        }
    }

    #[test]
    fn nested_calls_of_migrating_tasks_decode_to_the_same_trees(
        machine in machines(),
        steps in prop::collection::vec((0..3_i32, 0..3_u8, 1..1000_u64, 0..2_u16), 1..200),
    ) {
        let mut cpus = [Encoder::new(machine.clone(), 5000), Encoder::new(machine.clone(), 5000)];
        let mut last = [5000_u64; 2];
        let mut expected: Vec<Vec<Node>> = vec![Vec::new(); 3];
        let mut open: Vec<Vec<usize>> = vec![Vec::new(); 3];
        let mut now = 5000;
        for (task, action, wait, cpu) in steps {
            now += wait;
            let (nodes, stack) = (&mut expected[task as usize], &mut open[task as usize]);
            let depth = stack.len() as u32;
            let func = 0x1000 + u64::from(depth);
            let contents = match (action, stack.pop()) {
                (0, Some(node)) => {
                    let NodeKind::Call { end, .. } = &mut nodes[node].kind else { unreachable!() };
                    *end = Some(now);
                    Contents::Exit { func: func - 1, depth: depth - 1, overrun: 0 }
                }
                (_, top) => {
                    stack.extend(top);
                    stack.push(nodes.len());
                    let kind = NodeKind::Call { func, end: None };
                    nodes.push(Node { depth, cpu, start: now, interrupted: Default::default(), kind });
                    Contents::Entry { func, depth, args: vec![] }
                }
            };
            let timing = Timing::Delta(now - std::mem::replace(&mut last[usize::from(cpu)], now));
            prop_assert_eq!(cpus[usize::from(cpu)].write(timing, task + 1, &contents), now);
        }
        let [first, second] = cpus.map(Encoder::finish);
        let cpus = [CpuPages { cpu: 0, pages: &first, stats: "" }, CpuPages { cpu: 1, pages: &second, stats: "" }];
        let forests = decode_bytes(&machine, &cpus).unwrap();
        for (pid, nodes) in (1..).zip(expected) {
            let found = forests.by_task.get(&TaskKey::Task(pid)).map_or(&[][..], |forest| &forest.nodes);
            prop_assert_eq!(found, &nodes[..]);
        }
        prop_assert_eq!(forests.losses, Vec::<String>::new());
    }

    #[test]
    fn the_number_of_missed_records_is_read_after_the_data(
        machine in machines(),
        stream in streams(),
        count in any::<u32>(),
        stored in any::<bool>(),
    ) {
        let mut encoder = Encoder::new(machine.clone(), 0);
        encoder.missed(count.into(), stored);
        for (timing, pid, contents) in &stream {
            encoder.write(*timing, *pid, contents);
        }
        let had_room = encoder.count_fits();
        let pages = encoder.finish();
        let header = HeaderPage::parse(&machine.describe().0).unwrap();
        let page = Page::new(&pages, &header, machine.endian).unwrap();
        let expected = if stored && had_room { Missed::Records(count.into()) } else { Missed::Unknown };
        prop_assert_eq!(page.missed, expected);
    }

    #[test]
    fn any_text_as_a_description_is_parsed_or_refused(
        lines in prop::collection::vec(
            prop_oneof![
                ".{0,40}",
                "(name: \\w*|ID: -?[0-9]{0,6}|format:)",
                "\tfield:(__data_loc |__rel_loc )?\\w* ?\\*?\\w*(\\[[0-9a-z]*\\]?)?;\toffset:[0-9]{0,11};\tsize:[0-9]{0,11};",
                "\tfield: ?\\w+ (timestamp|commit|data|func|depth);\toffset:[0-9]{1,2};\tsize:[0-9]{1,4};\tsigned:[01];",
            ],
            0..12,
        ),
        name in prop::sample::select(vec!["funcgraph_entry", "funcgraph_exit", "sched_switch", "print", "raw_data"]),
    ) {
        let text = lines.join("\n");
        if let Ok(header_page) = HeaderPage::parse(&text) {
            prop_assert!(header_page.page_size() > 8);
        }
        let format = format!("name: {name}\nID: 1\n{text}");
        if let Ok(format) = Format::parse(&format) {
            prop_assert!(!format.name.is_empty());
        }
        // One format describes either entries or exits.
        let capture = CaptureText { header_page: &text, formats: vec![&format], ..CaptureText::default() };
        prop_assert!(Layout::new(&capture).is_err());
    }

    #[test]
    fn any_text_as_symbols_is_refused_or_survives_being_stored(text in "([0-9a-f]{0,17} [tTwWdb]? ?[a-z.]{0,4}(\t\\[m\\])?\n?){0,20}", ask in any::<u64>()) {
        if let Ok(symbols) = Symbols::parse(&text, &text) {
            let again = Symbols::from_bytes(&symbols.to_bytes()).unwrap();
            prop_assert_eq!(symbols.name(ask), again.name(ask));
            for name in ["a", "a.b", ""] {
                prop_assert_eq!(symbols.presence(name), again.presence(name));
            }
        }
    }

    #[test]
    fn any_bytes_as_a_trace_dat_are_parsed_or_refused(
        version in prop::sample::select(vec!["6", "7"]),
        head in prop::collection::vec(any::<u8>(), 6),
        rest in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..400),
    ) {
        let mut file = format!("\x17\x08\x44tracing{version}\0").into_bytes();
        file.extend(head);
        file.extend(rest);
        if let Ok(dat) = TraceDat::parse(&file) {
            prop_assert_eq!(dat.version.to_string(), version);
        }
    }
}
