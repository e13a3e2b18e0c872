//! Damage to good bytes that follows from a seed, for tests of what libFuzzer is not built with.
//!
//! `MAIP_FUZZ_SEED` chooses others, `MAIP_FUZZ_CALLS` makes a longer run.

/// Numbers that follow from a seed (SplitMix64).
pub struct Dice(u64);

impl Dice {
    /// From `MAIP_FUZZ_SEED`, or always the same.
    pub fn seeded() -> Self {
        Self(setting("MAIP_FUZZ_SEED", 20_261_127) as u64)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number, below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() >> 1).expect("64 bits") % end.max(1)
    }

    /// Good bytes with one to three things wrong. Now and then they come out as they were.
    pub fn damage(&mut self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            let end = (at + 1 + self.below(40)).min(bytes.len());
            match self.below(8) {
                _ if bytes.is_empty() => bytes.push(self.number() as u8),
                0 | 1 => bytes[at] ^= 1 << self.below(8),
                2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'"', b'9'][self.below(8)],
                3 => drop(bytes.drain(at..end)),
                4 => bytes.insert(at, self.number() as u8),
                5 => bytes.truncate(at),
                6 => {
                    let part = bytes[at..end].to_vec();
                    bytes.splice(end..end, part);
                }
                _ => {
                    let from = self.below(good.len());
                    let part = &good[from..good.len().min(from + end - at)];
                    bytes.splice(at..end, part.iter().copied());
                }
            }
        }
        bytes
    }

    /// A good text with one to three things wrong that somebody might write: words and numbers exchanged, lines lost, doubled or
    /// moved. What comes out is text.
    pub fn misspell(&mut self, good: &str, words: &[&str]) -> String {
        let mut lines: Vec<String> = good.lines().map(str::to_owned).collect();
        for _ in 0..=self.below(3) {
            let (at, other) = (self.below(lines.len()), self.below(lines.len()));
            match self.below(6) {
                _ if lines.is_empty() => lines.push(words[self.below(words.len())].to_owned()),
                0 => drop(lines.remove(at)),
                1 => lines.insert(other, lines[at].clone()),
                2 => lines.swap(at, other),
                3 => {
                    let bytes = self.damage(lines[at].as_bytes());
                    lines[at] = String::from_utf8_lossy(&bytes).into_owned();
                }
                _ => {
                    let word = words[self.below(words.len())];
                    let line = &lines[at];
                    let start = line.find('=').map_or(0, |place| place + 1);
                    lines[at] = format!("{} {word}", &line[..start]);
                }
            }
        }
        lines.join("\n")
    }
}

/// How many cases a test looks at: `MAIP_FUZZ_CALLS`, or so many.
pub fn cases(default: usize) -> usize {
    setting("MAIP_FUZZ_CALLS", default)
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}
