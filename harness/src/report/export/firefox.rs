//! The Firefox Profiler's processed profile format: a sample for each period in which one call ran itself.

use std::time::SystemTime;

use fxprof_processed_profile::{
    CategoryHandle, CpuDelta, Frame, FrameFlags, FrameInfo, Profile, SamplingInterval, StackHandle, Timestamp,
    WeightType,
};

use crate::suite::{Thread, Timeline};
use crate::trace::TaskKey;

/// Formats the timeline as JSON.
pub fn firefox(timeline: &Timeline, title: &str) -> serde_json::Result<Vec<u8>> {
    // Not today's date: the same capture must give the same bytes.
    let start = SystemTime::UNIX_EPOCH.into();
    let mut profile = Profile::new(title, start, SamplingInterval::from_nanos(1000));
    let begin = Timestamp::from_nanos_since_reference(0);
    let process = profile.add_process(title, 1, begin);
    for (index, thread) in timeline.threads.iter().enumerate() {
        let tid = match thread.task {
            TaskKey::Task(pid) => pid as u32,
            // Every CPU's idle task has pid 0, but the profiler needs different ids.
            TaskKey::Idle(cpu) => u32::MAX - u32::from(cpu),
        };
        let handle = profile.add_thread(process, tid, begin, index == 0);
        profile.set_thread_name(handle, &thread.name);
        profile.set_thread_samples_weight_type(handle, WeightType::Samples);
        let stacks = stacks(&mut profile, handle, thread);
        for slice in &thread.slices {
            let took = slice.end - slice.start;
            let weight = i32::try_from(took).unwrap_or(i32::MAX);
            let at = Timestamp::from_nanos_since_reference(slice.start);
            profile.add_sample(handle, at, stacks[slice.span], CpuDelta::from_nanos(took), weight);
        }
    }
    serde_json::to_vec(&profile)
}

/// Makes the stack of every call; a caller comes before its callees.
fn stacks(
    profile: &mut Profile,
    handle: fxprof_processed_profile::ThreadHandle,
    thread: &Thread,
) -> Vec<Option<StackHandle>> {
    let mut stacks: Vec<Option<StackHandle>> = Vec::with_capacity(thread.spans.len());
    for span in &thread.spans {
        let label = profile.intern_string(&span.name);
        let frame = FrameInfo {
            frame: Frame::Label(label),
            category_pair: CategoryHandle::OTHER.into(),
            flags: FrameFlags::empty(),
        };
        let frame = profile.intern_frame(handle, frame);
        let parent = span.parent.and_then(|parent| stacks[parent]);
        stacks.push(Some(profile.intern_stack(handle, parent, frame)));
    }
    stacks
}
