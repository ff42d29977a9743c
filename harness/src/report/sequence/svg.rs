//! Draws the layout of a sequence as SVG.

use std::fmt::{self, Write as _};

use super::layout::{Arrow, BAR, CHARACTER, CallBox, Kind, LEFT, Picture, Piece, ROW, WIDTH};
use crate::path::sequence::AwayKind;
use crate::report::change_words::grouped;

/// The style of the picture; the colours are CSS variables, for light and dark.
pub(crate) const STYLE: &str = include_str!("sequence.css");

/// The href of a line of a path.
pub(super) type Href<'l> = &'l dyn Fn(&str, usize) -> Option<String>;

/// Draws the picture. `id` makes the ids in it unique; `title` is its name, which `with_title` shows above it.
pub(super) fn draw(picture: &Picture, id: &str, title: &str, standalone: bool, href: Option<Href<'_>>) -> String {
    let mut out = String::new();
    let above = if standalone { 24.0 } else { 0.0 };
    let below = if standalone { 20.0 } else { 0.0 };
    let height = picture.height + above + below;
    let _ = write!(
        out,
        "<svg class=\"seq\" xmlns=\"http://www.w3.org/2000/svg\" role=\"group\" aria-label=\"{}\" width=\"{WIDTH}\" height=\"{}\" viewBox=\"0 {} {WIDTH} {}\">",
        Escaped(title),
        Px(height),
        Px(-above),
        Px(height)
    );
    if standalone {
        let _ = write!(
            out,
            "<style>{STYLE}</style><rect class=\"bg\" y=\"{}\" width=\"{WIDTH}\" height=\"{}\"/>",
            Px(-above),
            Px(height)
        );
        let _ = write!(out, "<text class=\"h\" x=\"4\" y=\"-8\">{}</text>", Escaped(title));
        let _ = write!(out, "<text class=\"l\" x=\"4\" y=\"{}\">{}</text>", Px(picture.height + 12.0), Escaped(LEGEND));
    }
    let _ = write!(
        out,
        "<defs><pattern id=\"{id}z\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" class=\"zb\"/><path class=\"zl\" d=\"M0 0V6\"/></pattern></defs>"
    );
    axis(&mut out, picture);
    for track in &picture.tracks {
        let _ =
            write!(out, "<path class=\"base\" d=\"M{} {}H{}\"/>", Px(LEFT), Px(track.y + BAR / 2.0), Px(WIDTH - 12.0));
        for one in &track.pieces {
            piece(&mut out, one, track.y, id);
        }
    }
    for one in &picture.arrows {
        arrow(&mut out, one);
    }
    for lane in &picture.calls {
        let _ = write!(
            out,
            "<text class=\"l\" x=\"{}\" y=\"{}\">calls of {}</text>",
            Px(LEFT),
            Px(lane.y + 17.0),
            Escaped(&lane.name)
        );
        for one in &lane.boxes {
            call(&mut out, one, id, href);
        }
    }
    // On top of everything, because they stay at the left of a picture that is scrolled.
    for track in &picture.tracks {
        lane_name(&mut out, track.y + 10.0, &track.name, track.cpu);
    }
    for lane in &picture.calls {
        lane_name(&mut out, lane.y + 34.0, &lane.name, lane.cpu);
    }
    out.push_str("</svg>");
    out
}

/// What the picture shows, in one line.
pub(crate) const LEGEND: &str = "Hatched: asleep. Orange: softirq, on top of the task that it runs in. Red: hard interrupt. Arrow: wake-up. Zigzag: time left out in which none of these calls ran.";

fn axis(out: &mut String, picture: &Picture) {
    for (x, text) in &picture.ticks {
        let (x, bottom) = (Px(*x), Px(picture.height));
        let _ = write!(
            out,
            "<path class=\"tick\" d=\"M{x} 16V{bottom}\"/><text class=\"l\" x=\"{x}\" y=\"12\">{text}</text>"
        );
    }
    for cut in &picture.cuts {
        let middle = cut.x + cut.width / 2.0;
        let mut y = 18.0;
        let mut side = 1.0;
        let _ = write!(out, "<path class=\"cut\" d=\"M{} {}", Px(middle), Px(y));
        while y < picture.tracks_end - 6.0 {
            y += 6.0;
            let _ = write!(out, "L{} {}", Px(middle + 3.0 * side), Px(y));
            side = -side;
        }
        out.push_str("\"><title>time left out</title></path>");
        if let Some(text) = &cut.text {
            let _ = write!(
                out,
                "<text class=\"l m\" x=\"{}\" y=\"{}\">{text}</text>",
                Px(middle),
                Px(picture.tracks_end + 8.0)
            );
        }
    }
}

fn lane_name(out: &mut String, y: f64, name: &str, cpu: u16) {
    const FITS: usize = 15;
    let short: String = name.chars().take(FITS).collect();
    let _ = write!(out, "<text class=\"n\" x=\"4\" y=\"{}\">{}</text>", Px(y), Escaped(&short));
    let _ = write!(out, "<text class=\"c\" x=\"4\" y=\"{}\">CPU {cpu}</text>", Px(y + 13.0));
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Process => "p",
        Kind::Softirq => "s",
        Kind::HardIrq => "i",
        Kind::Nmi => "i",
        Kind::Away(AwayKind::Sleeps) => "z",
        Kind::Away(AwayKind::Preempted) => "r",
        Kind::Away(AwayKind::Turn) => "t",
    }
}

fn piece(out: &mut String, piece: &Piece, y: f64, id: &str) {
    let class = class(piece.kind);
    let fill = if class == "z" { hatched(id) } else { String::new() };
    let inset = if matches!(piece.kind, Kind::Away(AwayKind::Turn)) { 8.0 } else { 0.0 };
    let _ = write!(
        out,
        "<g class=\"{class}\"><title>{}</title><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{fill}/>",
        Escaped(&piece.name),
        Px(piece.x),
        Px(y + inset),
        Px(piece.width),
        Px(BAR - 2.0 * inset)
    );
    if let (Some(x), true) = (piece.text_x, inset == 0.0) {
        let _ = write!(out, "<text x=\"{}\" y=\"{}\">{}</text>", Px(x), Px(y + 16.0), Escaped(&piece.name));
    }
    out.push_str("</g>");
}

fn hatched(id: &str) -> String {
    format!(" fill=\"url(#{id}z)\"")
}

fn arrow(out: &mut String, arrow: &Arrow) {
    out.push_str("<polyline class=\"a\" points=\"");
    for (x, y) in &arrow.points {
        let _ = write!(out, "{},{} ", Px(*x), Px(*y));
    }
    out.push_str("\"/>");
    if let Some((x, y)) = arrow.points.last() {
        let up = if arrow.down { -7.0 } else { 7.0 };
        let _ =
            write!(out, "<path class=\"ah\" transform=\"translate({},{})\" d=\"M0 0L-4 {up}H4Z\"/>", Px(*x), Px(*y));
    }
    let anchor = if arrow.text_ends { " e" } else { "" };
    let (x, y) = arrow.text_at;
    let _ = write!(out, "<text class=\"w{anchor}\" x=\"{}\" y=\"{}\">{}</text>", Px(x), Px(y), Escaped(&arrow.text));
}

fn call(out: &mut String, one: &CallBox, pattern: &str, href: Option<Href<'_>>) {
    let href = href.and_then(|href| href(&one.path, one.line));
    let tag = if href.is_some() { "a" } else { "g" };
    let _ = write!(out, "<{tag} class=\"{}\"", class(one.kind));
    if let Some(href) = href {
        let _ = write!(out, " href=\"{}\" tabindex=\"-1\"", Escaped(&href));
    }
    let times = if one.times > 1 { format!(" ×{}", one.times) } else { String::new() };
    let cost = one.cost.map(|cost| format!(": {}", grouped(cost))).unwrap_or_default();
    let fill = if one.kind == Kind::Away(AwayKind::Sleeps) { hatched(pattern) } else { String::new() };
    let _ = write!(out, "><title>{}{times}{cost}</title>", Escaped(&one.function));
    let _ = write!(
        out,
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{fill}/>",
        Px(one.x),
        Px(one.y),
        Px(one.width),
        Px(ROW - 1.0)
    );
    let fits = ((one.width - 4.0) / CHARACTER).max(0.0) as usize;
    if let Some(text) = fitted(&one.function, fits) {
        let _ = write!(out, "<text x=\"{}\" y=\"{}\">{}</text>", Px(one.x + 2.0), Px(one.y + 10.0), Escaped(&text));
    }
    let _ = write!(out, "</{tag}>");
}

/// Cuts a name to `fits` characters; `None` if too little would be left of it.
pub(crate) fn fitted(name: &str, fits: usize) -> Option<String> {
    const LEAST: usize = 3;
    match name.chars().count() <= fits {
        true => Some(name.to_owned()),
        false if fits >= LEAST => Some(name.chars().take(fits - 1).chain(['…']).collect()),
        false => None,
    }
}

/// A length with at most one decimal.
pub(crate) struct Px(pub(crate) f64);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() as i64;
        match tenths % 10 {
            0 => write!(f, "{}", tenths / 10),
            part => write!(f, "{}{}.{}", if tenths < 0 { "-" } else { "" }, (tenths / 10).abs(), part.abs()),
        }
    }
}

/// Text with the characters escaped that XML reserves, and without those that it does not allow.
pub(crate) struct Escaped<'t>(pub(crate) &'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                c if c.is_control() => f.write_str("?")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sequence::layout::{layout, tests::blocking};

    #[test]
    fn a_blocking_receive_as_svg() {
        let (sequence, paths) = blocking();
        let href = |path: &str, line: usize| Some(format!("#{path}-{line}"));
        let svg = draw(&layout(&sequence, &paths), "k", "a \"case\" on 6.12", false, Some(&href));
        assert_eq!(svg.replace("><", ">\n<") + "\n", include_str!("blocking.svg"));
    }

    #[test]
    fn a_file_has_its_style_and_no_links() {
        let (sequence, paths) = blocking();
        let svg = draw(&layout(&sequence, &paths), "", "a < b\u{7}", true, None);
        assert!(svg.contains("<style>.seq") && !svg.contains("<a ") && svg.contains("a &lt; b?"));
    }

    #[test]
    fn lengths_have_one_decimal_at_most() {
        let text: Vec<String> = [0.0, 1.25, -0.5, 12.04, -3.0].map(|length| Px(length).to_string()).to_vec();
        assert_eq!(text, ["0", "1.3", "-0.5", "12", "-3"]);
    }
}
