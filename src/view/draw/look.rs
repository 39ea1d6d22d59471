//! What a terminal can show: colours or none, every sign or ASCII alone. Nothing is told by colour only.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether it has colours, and they are wanted.
    pub colour: bool,
    /// Whether it shows more than ASCII.
    pub unicode: bool,
}

/// How something is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    /// Of less interest: labels, what is still to come.
    Faint,
    /// The name of a part.
    Head,
    Good,
    Doubt,
    Bad,
    /// What nobody may overlook.
    Alarm,
    /// The lines of p50, p95 and p99.
    P50,
    P95,
    P99,
    /// Something is broken on purpose.
    Fault,
}

impl Look {
    pub(super) fn style(self, tone: Tone) -> Style {
        let style = Style::new();
        let style = match tone {
            Tone::Plain | Tone::Good | Tone::P50 | Tone::P95 | Tone::P99 => style,
            Tone::Faint => style.add_modifier(Modifier::DIM),
            Tone::Head | Tone::Doubt | Tone::Bad | Tone::Fault => {
                style.add_modifier(Modifier::BOLD)
            }
            Tone::Alarm => style.add_modifier(Modifier::BOLD | Modifier::REVERSED),
        };
        style.fg(self.colour(tone))
    }

    pub(super) const fn colour(self, tone: Tone) -> Color {
        if !self.colour {
            return Color::Reset;
        }
        match tone {
            Tone::Plain | Tone::Faint | Tone::Head => Color::Reset,
            Tone::Good | Tone::P50 => Color::Green,
            Tone::Doubt | Tone::P95 => Color::Yellow,
            Tone::Bad | Tone::Alarm | Tone::P99 => Color::Red,
            Tone::Fault => Color::Magenta,
        }
    }
}

/// Puts signs of ASCII in the place of all others.
pub(super) fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let sign = cell.symbol().chars().next().unwrap_or(' ');
        if !sign.is_ascii() {
            cell.set_char(ascii(sign));
        }
    }
}

const fn ascii(sign: char) -> char {
    match sign {
        '▁' | '▂' | '▃' | '▄' => '_',
        '▅' | '▆' | '▇' | '█' => '#',
        '\u{2800}' => ' ',
        '\u{2801}'..='\u{28ff}' => '*',
        '─' | '╌' | '━' => '-',
        '│' => '|',
        '┌' | '┐' | '└' | '┘' => '+',
        '✓' => '+',
        '✗' => 'x',
        '●' => '*',
        '○' => 'o',
        '▲' => '^',
        '▼' => 'v',
        '◄' => '<',
        '►' | '→' => '>',
        '·' => '.',
        '…' => '~',
        _ => '?',
    }
}
