//! Suggests valid names for an unknown one.

/// The least similarity (Jaro-Winkler, 0 to 1) of a name that has too many wrong letters for a slip, such as `recieve` for
/// `recv`.
const ALIKE: f64 = 0.85;

/// Returns up to three of `candidates` that `found` may stand for, nearest first.
pub(crate) fn nearest<'a>(found: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let folded = found.to_lowercase();
    // A third of the letters may be wrong; one always may.
    let allowed = (found.chars().count() / 3).max(1);
    let all: Vec<&str> = candidates.into_iter().collect();
    let mut scored: Vec<(usize, &str)> = all
        .iter()
        .copied()
        .filter(|candidate| candidate.len().abs_diff(found.len()) <= allowed.max(4))
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&folded, &lower);
            let extends = folded.len() >= 3 && (lower.starts_with(&folded) || folded.starts_with(&lower));
            (distance <= allowed || extends).then_some((distance, candidate))
        })
        .collect();
    if scored.is_empty() {
        let alike = |candidate: &str| strsim::jaro_winkler(&folded, &candidate.to_lowercase());
        let best = all.into_iter().map(|candidate| (alike(candidate), candidate)).filter(|(score, _)| *score >= ALIKE);
        return best.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate).into_iter().collect();
    }
    scored.sort();
    scored.dedup();
    scored.into_iter().map(|(_, candidate)| candidate).take(3).collect()
}

/// Joins names as `a`, `b` or `c`.
pub(crate) fn any_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// The help text for an unknown name: the nearest valid names, or all valid ones if none is near and they are few.
pub(crate) fn suggestion<'a>(found: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let valid: Vec<&str> = valid.into_iter().collect();
    let near = nearest(found, valid.iter().copied());
    if !near.is_empty() {
        return Some(format!("did you mean {}?", any_of(near)));
    }
    match valid.len() {
        0 => None,
        1..=12 => Some(format!("valid here: {}", any_of(valid))),
        many => Some(format!("none of the {many} valid names is similar")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_comes_first_and_distant_ones_are_left_out() {
        assert_eq!(nearest("recvv", ["send", "recvmsg", "recv"]), ["recv"]);
        assert_eq!(nearest("accept", ["accept4", "access", "send"]), ["accept4", "access"]);
        assert_eq!(nearest("sok_wait_data", ["sk_wait_data", "tcp_recvmsg"]), ["sk_wait_data"]);
        assert!(nearest("zebra", ["send", "recv"]).is_empty());
    }
}
