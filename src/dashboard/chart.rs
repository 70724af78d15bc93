//! Pictures: bars over time, a bar of a budget. SVG, without a script; the figures stand in titles and in tables.

use maud::{Markup, html};

/// One bar: parts from bottom to top, what it is, and where the rows behind it are.
#[derive(Debug, Clone)]
pub(super) struct Bar {
    /// Of each part its class and height.
    pub parts: Vec<(&'static str, f64)>,
    /// What is shown when it is pointed at.
    pub title: String,
    /// Where it leads.
    pub href: String,
}

/// A small picture with a heading and the figure that matters most.
#[derive(Debug)]
pub(super) struct Chart {
    /// What it shows.
    pub name: &'static str,
    /// The figure.
    pub figure: String,
    /// Where the rows behind the figure are.
    pub href: String,
    /// What stands beside the figure.
    pub note: String,
    /// In the order of time.
    pub bars: Vec<Bar>,
    /// Under the first and the last bar.
    pub ends: (String, String),
}

impl Chart {
    /// The picture. It is hidden from screen readers, which get the figure here and the bars as a table.
    pub fn html(&self) -> Markup {
        let most = self.bars.iter().map(|bar| bar.parts.iter().map(|(_, height)| height).sum::<f64>());
        let most = most.fold(0.0, f64::max);
        let step = WIDTH / self.bars.len().max(1) as f64;
        let gap = (step * 0.22).min(3.0);
        html! {
            figure class="chart card" {
                figcaption {
                    span class="name" { (self.name) }
                    a class="figure" href=(self.href) { (self.figure) }
                    span class="note" { (self.note) }
                }
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                    line class="base" x1="0" x2=(WIDTH) y1=(HEIGHT - 0.5) y2=(HEIGHT - 0.5) {}
                    @for (at, bar) in self.bars.iter().enumerate() {
                        (self.bar(bar, at as f64 * step + gap / 2.0, step - gap, most))
                    }
                }
                div class="ends" aria-hidden="true" { span { (self.ends.0) } span { (self.ends.1) } }
            }
        }
    }

    fn bar(&self, bar: &Bar, x: f64, width: f64, most: f64) -> Markup {
        let mut base = HEIGHT - 1.0;
        let tall = |height: f64| if most > 0.0 { height / most * (HEIGHT - 4.0) } else { 0.0 };
        html! {
            a href=(bar.href) tabindex="-1" {
                title { (bar.title) }
                // So that a low bar can be pointed at too.
                path class="all" d=(column(x, 0.0, width, HEIGHT)) {}
                @for (class, height) in &bar.parts {
                    @let height = if *height > 0.0 { tall(*height).max(1.0) } else { 0.0 };
                    @if height > 0.0 {
                        @let y = { base -= height; base };
                        path class=(class) d=(column(x, y, width, height)) {}
                    }
                }
            }
        }
    }
}

/// How much of a budget is spent and held; what is left is the empty part.
pub(super) fn share(settled: f64, reserved: f64, limit: f64, words: &str) -> Markup {
    let of = |part: f64| if limit > 0.0 { (part / limit * 100.0).clamp(0.0, 100.0) } else { 100.0 };
    let (spent, held) = (of(settled), of(reserved));
    let class = match spent + held {
        used if used >= 99.95 => "bad",
        used if used >= 80.0 => "warn",
        _ => "fine",
    };
    html! {
        svg class={ "share " (class) } viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label=(words) {
            title { (words) }
            rect class="left" x="0" y="0" width="100" height="6" {}
            rect class="spent" x="0" y="0" width=(round(spent)) height="6" {}
            rect class="held" x=(round(spent)) y="0" width=(round(held.min(100.0 - spent))) height="6" {}
        }
    }
}

/// A thin line below a name: its part of the whole, from 0 to 1.
pub(super) fn part(part: f64, words: &str) -> Markup {
    html! {
        svg class="part" viewBox="0 0 100 2" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            title { (words) }
            rect class="one" x="0" y="0" width=(round((part * 100.0).clamp(0.0, 100.0))) height="2" {}
        }
    }
}

/// A rectangle, in few bytes: a page has some hundreds.
fn column(x: f64, y: f64, width: f64, height: f64) -> String {
    format!("M{x:.1} {y:.0}h{width:.1}v{height:.0}h-{width:.1}z")
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 72.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stay_within_the_picture_whatever_their_figures() {
        let bar = |height| Bar { parts: vec![("a", height)], title: "<x>".to_owned(), href: "/?a=\"".to_owned() };
        let ends = ("then".to_owned(), "now".to_owned());
        let bars = vec![bar(0.0), bar(1e-9), bar(u64::MAX as f64), bar(1.0)];
        let chart = Chart { name: "n", figure: "1".to_owned(), href: "/".to_owned(), note: String::new(), bars, ends };
        let page = chart.html().into_string();
        assert!(page.contains("&lt;x&gt;") && page.contains("&quot;") && !page.contains("NaN"), "{page}");
        assert_eq!(page.matches("class=\"a\"").count(), 3, "nothing has no height: {page}");
        assert!(share(5.0, 9.0, 0.0, "of none").into_string().contains("width=\"100\""));
        assert!(share(90.0, 90.0, 100.0, "too much").into_string().contains("x=\"90\" y=\"0\" width=\"10\""));
    }
}
