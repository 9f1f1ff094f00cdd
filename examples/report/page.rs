//! The frame of the page and what stands on it. It is one file that loads nothing from elsewhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use plotters::style::RGBColor;

/// A page with this title, which is its heading too.
pub fn page(title: &str, body: Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body { main {
                h1 { (title) }
                (body)
            } }
        }
    };
    page.into_string()
}

/// Names with the colours of their curves.
pub fn legend<N: AsRef<str>>(names: impl IntoIterator<Item = (N, RGBColor)>) -> Markup {
    html! {
        p.legend { @for (name, RGBColor(r, g, b)) in names {
            span { i style=(format!("background:rgb({r},{g},{b})")) {} (name.as_ref()) }
        } }
    }
}

/// A drawing, which is SVG, below its caption.
pub fn figure(caption: &str, svg: String) -> Markup {
    html! { figure { figcaption { (caption) } (PreEscaped(svg)) } }
}
