//! What a person has chosen to see, and what keys change of it.

use super::keys::Key;

/// A page is scrolled by so many lines.
const PAGE: usize = 10;
/// What is looked for is no longer.
const LONGEST_FILTER: usize = 60;

/// What is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tab {
    /// The river, the models, and whatever is out of the ordinary.
    #[default]
    Overview,
    /// What became of the records of each model.
    Outcomes,
    /// The generations, with their progress.
    Generations,
    /// The lanes.
    Lanes,
    /// The hot keys.
    Hot,
    /// What a person should look at.
    Warnings,
}

impl Tab {
    /// All of them, in their order.
    pub const ALL: [Self; 6] =
        [Self::Overview, Self::Outcomes, Self::Generations, Self::Lanes, Self::Hot, Self::Warnings];

    /// Its title.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Outcomes => "Outcomes",
            Self::Generations => "Generations",
            Self::Lanes => "Lanes",
            Self::Hot => "Hot keys",
            Self::Warnings => "Warnings",
        }
    }

    fn moved(self, steps: usize) -> Self {
        let at = Self::ALL.iter().position(|tab| *tab == self).unwrap_or(0);
        Self::ALL.get((at + steps) % Self::ALL.len()).copied().unwrap_or_default()
    }
}

/// By what models are sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// As the instance tells them.
    #[default]
    Order,
    /// The busiest first.
    Rate,
    /// The latest first.
    Freshness,
    /// Those first that are furthest behind.
    Lag,
    /// Those first of which most is held.
    Held,
}

impl Sort {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Order => "as configured",
            Self::Rate => "rate",
            Self::Freshness => "p99",
            Self::Lag => "lag",
            Self::Held => "held",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::Order => Self::Rate,
            Self::Rate => Self::Freshness,
            Self::Freshness => Self::Lag,
            Self::Lag => Self::Held,
            Self::Held => Self::Order,
        }
    }
}

/// What is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// What is shown.
    pub tab: Tab,
    /// By what models are sorted.
    pub sort: Sort,
    /// Only what has this in its name.
    pub filter: String,
    /// Whether the filter is being typed.
    pub is_typing: bool,
    /// Whether nothing new is asked for.
    pub is_paused: bool,
    /// Whether the keys are explained.
    pub is_helping: bool,
    /// How many lines of the list are above what is shown.
    pub scroll: usize,
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// What is chosen now is to be shown.
    Show,
    /// All is to be drawn again.
    Redraw,
    /// It is enough.
    Quit,
}

impl View {
    /// Whether something of this name is to be shown.
    pub fn lets(&self, name: &str) -> bool {
        self.filter.is_empty() || name.to_lowercase().contains(&self.filter.to_lowercase())
    }

    /// Takes a key.
    pub fn press(&mut self, key: Key) -> Wish {
        match key {
            Key::Stop => return Wish::Quit,
            Key::Redraw => return Wish::Redraw,
            key if self.is_typing => self.type_filter(key),
            Key::Text(text) => return self.letter(&text),
            Key::Escape if self.is_helping => self.is_helping = false,
            Key::Escape => self.filter.clear(),
            Key::Tab | Key::Right => self.show(self.tab.moved(1)),
            Key::BackTab | Key::Left => self.show(self.tab.moved(Tab::ALL.len() - 1)),
            Key::Up => self.scroll = self.scroll.saturating_sub(1),
            Key::Down => self.scroll += 1,
            Key::PageUp => self.scroll = self.scroll.saturating_sub(PAGE),
            Key::PageDown => self.scroll += PAGE,
            Key::Home => self.scroll = 0,
            Key::End => self.scroll = usize::MAX / 2,
            Key::Enter | Key::Back => {}
        }
        Wish::Show
    }

    fn letter(&mut self, text: &str) -> Wish {
        match text {
            "q" => return Wish::Quit,
            "s" => self.sort = self.sort.next(),
            "p" | " " => self.is_paused = !self.is_paused,
            "?" | "h" => self.is_helping = !self.is_helping,
            "/" => self.is_typing = true,
            "j" => self.scroll += 1,
            "k" => self.scroll = self.scroll.saturating_sub(1),
            "g" => self.scroll = 0,
            "G" => self.scroll = usize::MAX / 2,
            digit => {
                let number = digit.parse().ok().and_then(|n: usize| n.checked_sub(1));
                if let Some(tab) = number.and_then(|at| Tab::ALL.get(at)) {
                    self.show(*tab);
                }
            }
        }
        Wish::Show
    }

    fn type_filter(&mut self, key: Key) {
        match key {
            Key::Text(text) if self.filter.chars().count() < LONGEST_FILTER => self.filter += &text,
            Key::Back => drop(self.filter.pop()),
            Key::Enter => self.is_typing = false,
            Key::Escape => {
                self.is_typing = false;
                self.filter.clear();
            }
            Key::Text(_)
            | Key::Tab
            | Key::BackTab
            | Key::Up
            | Key::Down
            | Key::Left
            | Key::Right
            | Key::PageUp
            | Key::PageDown
            | Key::Home
            | Key::End
            | Key::Stop
            | Key::Redraw => {}
        }
        self.scroll = 0;
    }

    const fn show(&mut self, tab: Tab) {
        self.tab = tab;
        self.scroll = 0;
        self.is_helping = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(view: &mut View, keys: &str) -> Wish {
        let pressed = super::super::keys::read(keys.as_bytes());
        pressed.into_iter().fold(Wish::Show, |_, key| view.press(key))
    }

    #[test]
    fn tabs_go_round_in_both_directions() {
        let mut view = View::default();
        press(&mut view, "\t");
        assert_eq!(view.tab, Tab::Outcomes);
        press(&mut view, "\x1b[D\x1b[Z");
        assert_eq!(view.tab, Tab::Warnings);
        press(&mut view, "\x1b[C4");
        assert_eq!(view.tab, Tab::Lanes);
        press(&mut view, "0789");
        assert_eq!(view.tab, Tab::Lanes);
    }

    #[test]
    fn letters_of_a_filter_are_no_commands() {
        let mut view = View::default();
        assert_eq!(press(&mut view, "/qs\x7fp"), Wish::Show);
        assert_eq!((view.filter.as_str(), view.is_typing, view.is_paused), ("qp", true, false));
        press(&mut view, "\r");
        assert!(!view.lets("orders") && view.lets("a QP b"));
        press(&mut view, "\x1b");
        assert_eq!(view, View::default());
        press(&mut view, &format!("/{}", "x".repeat(200)));
        assert_eq!(view.filter.len(), LONGEST_FILTER);
        assert_eq!(press(&mut view, "\x03"), Wish::Quit);
    }

    #[test]
    fn what_is_chosen_is_chosen_again_to_be_left() {
        let mut view = View::default();
        assert_eq!(press(&mut view, "sssss"), Wish::Show);
        press(&mut view, "pp??");
        assert_eq!(view, View::default());
        press(&mut view, "j\x1b[B\x1b[6~k");
        assert_eq!(view.scroll, 11);
        press(&mut view, "g");
        assert_eq!(view, View::default());
        assert_eq!(press(&mut view, "q"), Wish::Quit);
    }
}
