//! The figures as a picture: scores over days, and the ROC curves a week after the turn.

use std::fmt::{Result, Write as _};

use super::figures::{Figures, KindFigures, at};
use super::kinds::Kind;
use super::people::SAMPLE_DAYS;

/// Place of seven days in [`SAMPLE_DAYS`].
const WEEK: usize = 5;

/// A panel's corner, width and height.
struct Panel {
    left: u64,
    top: u64,
    width: u64,
    height: u64,
}

const SCORES: Panel = Panel { left: 60, top: 50, width: 400, height: 300 };
const ROC: Panel = Panel { left: 540, top: 50, width: 300, height: 300 };

impl Panel {
    /// Where a point lies, given in parts of 10,000 of both sides; y grows upwards.
    fn place(&self, x: u64, y: u64) -> (u64, u64) {
        (self.left + self.width * x / 10_000, self.top + self.height - self.height * y / 10_000)
    }

    fn frame(&self, out: &mut String, title: &str, x: &str, y: &str) -> Result {
        let Panel { left, top, width, height } = self;
        writeln!(
            out,
            r##"<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#888"/>"##
        )?;
        writeln!(out, r#"<text x="{left}" y="{}" font-weight="bold">{title}</text>"#, top - 14)?;
        writeln!(
            out,
            r#"<text x="{}" y="{}" text-anchor="middle">{x}</text>"#,
            left + width / 2,
            top + height + 36
        )?;
        let (at_x, at_y) = (left - 42, top + height / 2);
        writeln!(
            out,
            r#"<text x="{at_x}" y="{at_y}" text-anchor="middle" transform="rotate(-90 {at_x} {at_y})">{y}</text>"#
        )
    }

    /// A number beside an axis, with its line across the panel.
    fn tick(&self, out: &mut String, at: u64, label: u64, is_x: bool) -> Result {
        let (x, y) = if is_x { self.place(at, 0) } else { self.place(0, at) };
        let (end_x, end_y) = if is_x { self.place(at, 10_000) } else { self.place(10_000, at) };
        writeln!(out, r##"<path d="M{x} {y}L{end_x} {end_y}" stroke="#ddd"/>"##)?;
        if is_x {
            return writeln!(out, r#"<text x="{x}" y="{}" text-anchor="middle">{label}</text>"#, y + 16);
        }
        writeln!(out, r#"<text x="{}" y="{}" text-anchor="end">{label}</text>"#, x - 6, y + 4)
    }

    fn line(&self, out: &mut String, points: impl Iterator<Item = (u64, u64)>, style: &str) -> Result {
        write!(out, r#"<path fill="none" {style} d=""#)?;
        for (number, (x, y)) in points.map(|(x, y)| self.place(x, y)).enumerate() {
            write!(out, "{}{x} {y}", if number == 0 { 'M' } else { 'L' })?;
        }
        writeln!(out, r#""/>"#)
    }
}

fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Honest => "#2a7d2a",
        Kind::Careless => "#b8860b",
        Kind::Hijacked => "#c0392b",
        Kind::SybilFront => "#8e44ad",
        Kind::Whitewasher => "#1f6fb2",
        Kind::Ramp => "#555555",
        Kind::Sybil | Kind::Griefer => "#999999",
    }
}

/// An SVG file.
pub fn svg(figures: &Figures) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, figures);
    out
}

fn write(out: &mut String, figures: &Figures) -> Result {
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 430" font-family="sans-serif" font-size="12">"#
    )?;
    writeln!(out, r#"<rect width="860" height="430" fill="white"/>"#)?;
    let shown = |row: &&KindFigures| !matches!(row.kind, Kind::Sybil | Kind::Griefer);
    SCORES.frame(out, "Score, median and quartiles", "days after the turn", "score")?;
    let last_day = SAMPLE_DAYS[SAMPLE_DAYS.len() - 1];
    for days in [0, 7, 14, 21, 28] {
        SCORES.tick(out, days * 10_000 / last_day, days, true)?;
    }
    for score in [0, 30, 50, 70, 90] {
        SCORES.tick(out, score * 100, score, false)?;
    }
    for row in figures.kinds.iter().filter(shown) {
        for (percent, style) in
            [(25, "stroke-dasharray=\"2 3\""), (50, "stroke-width=\"2\""), (75, "stroke-dasharray=\"2 3\"")]
        {
            let points = SAMPLE_DAYS.iter().zip(&row.scores);
            let points =
                points.filter_map(|(day, scores)| Some((day * 10_000 / last_day, at(scores, percent)?)));
            SCORES.line(out, points, &format!("stroke=\"{}\" {style}", colour(row.kind)))?;
        }
    }
    ROC.frame(out, "ROC after 7 days", "% of the honest below", "% of the kind below")?;
    for part in [0, 25, 50, 75, 100] {
        ROC.tick(out, part * 100, part, true)?;
        ROC.tick(out, part * 100, part, false)?;
    }
    for row in figures.kinds.iter().filter(shown).filter(|row| !row.kind.is_good()) {
        let style = format!("stroke=\"{}\" stroke-width=\"2\"", colour(row.kind));
        ROC.line(out, thinned(row.roc(WEEK)), &style)?;
    }
    legend(out, figures.kinds.iter().filter(shown))?;
    writeln!(out, "</svg>")
}

/// Points that can be told apart in the picture.
fn thinned(points: Vec<(u64, u64)>) -> impl Iterator<Item = (u64, u64)> {
    let mut last = None;
    let end = points.last().copied();
    points.into_iter().filter(move |point| {
        let place = (point.0 / 50, point.1 / 50);
        let is_new = last != Some(place) || Some(*point) == end;
        last = Some(place);
        is_new
    })
}

fn legend<'a>(out: &mut String, rows: impl Iterator<Item = &'a KindFigures>) -> Result {
    for (place, row) in (0..).zip(rows) {
        let x: u64 = 60 + place * 130;
        writeln!(out, r#"<path d="M{x} 412h24" stroke="{}" stroke-width="2"/>"#, colour(row.kind))?;
        writeln!(out, r#"<text x="{}" y="416">{}</text>"#, x + 30, row.kind.name())?;
    }
    Ok(())
}
