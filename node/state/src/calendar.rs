//! Spans of the log's time: minutes, and calendar months in UTC from the log's time: proleptic Gregorian, integers only.

use std::fmt;

use crate::trust::DAY_MS;

/// A minute of log time, in milliseconds.
pub(crate) const MINUTE_MS: u64 = 60_000;

/// Days from 0000-03-01 to 1970-01-01. Years that begin in March end with their leap day.
const MARCH_0000_TO_1970: u64 = 719_468;
/// Days in 400 years.
const ERA_DAYS: u64 = 146_097;

/// A calendar month in UTC: months since January 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(u32);

impl Month {
    /// The month of a time in ms since 1970. A time beyond what a log can hold gives the last month that there is.
    pub fn of(ms: u64) -> Self {
        let (year, month, _) = civil_from_days(ms / DAY_MS);
        Self(u32::try_from((year - 1_970) * 12 + month - 1).unwrap_or(u32::MAX))
    }

    /// Reads `2026-07`, from 1970 on; other spellings are none.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let (years, months): (u32, u32) = (year.parse().ok()?, month.parse().ok()?);
        let count = years.checked_sub(1_970)?.checked_mul(12)?.checked_add(months.checked_sub(1)?)?;
        Some(Self(count)).filter(|parsed| months <= 12 && parsed.to_string() == text)
    }

    /// When it begins, ms since 1970; it ends when the next begins.
    pub fn start_ms(self) -> u64 {
        let (year, month) = self.year_and_month();
        days_from_civil(year, month, 1) * DAY_MS
    }

    /// The month after it.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Months since January 1970.
    pub fn number(self) -> u32 {
        self.0
    }

    fn year_and_month(self) -> (u64, u64) {
        let months = u64::from(self.0);
        (1_970 + months / 12, months % 12 + 1)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month) = self.year_and_month();
        write!(f, "{year:04}-{month:02}")
    }
}

/// Year, month (1 to 12) and day (1 to 31) of a day counted from 1970-01-01.
pub(crate) fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + MARCH_0000_TO_1970;
    let (era, day) = (shifted / ERA_DAYS, shifted % ERA_DAYS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    // Months from March on have 31, 30, 31, 30, 31 days, again and again: 153 in five.
    let march = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * march + 2) / 5 + 1, if march < 10 { march + 3 } else { march - 9 });
    (era * 400 + year + u64::from(month <= 2), month, day)
}

/// The day of a date, counted from 1970-01-01; the date is not before it.
fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let march = (month + 9) % 12;
    let of_year = (153 * march + 2) / 5 + day - 1;
    era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - MARCH_0000_TO_1970
}

#[cfg(test)]
mod tests {
    use ledger_format::record::json::INTEGER_MAX;

    use super::*;

    #[test]
    fn known_dates() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (58, (1970, 2, 28)),
            (59, (1970, 3, 1)),
            (789, (1972, 2, 29)),
            (10_956, (1999, 12, 31)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_474, (2026, 1, 21)),
            (20_512, (2026, 2, 28)),
            (20_513, (2026, 3, 1)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
            (157_113, (2400, 2, 29)),
        ] {
            assert_eq!(civil_from_days(days), date);
            assert_eq!(days_from_civil(date.0, date.1, date.2), days);
        }
    }

    /// Against a calendar that goes day by day.
    #[test]
    fn every_day_of_six_hundred_years() {
        let leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..220_000 {
            assert_eq!(civil_from_days(days), (year, month, day), "day {days}");
            let length = match month {
                2 => 28 + u64::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }

    #[test]
    fn months_begin_where_the_one_before_ends() {
        for number in (0..30_000).chain([3_442_000]) {
            let month = Month(number);
            let start = month.start_ms();
            assert_eq!((Month::of(start), Month::of(month.next().start_ms() - 1)), (month, month));
            assert_eq!(Month::parse(&month.to_string()), Some(month));
        }
        assert_eq!(Month::of(1_769_000_000_000).to_string(), "2026-01");
        assert_eq!(Month::of(INTEGER_MAX).to_string(), "287396-10");
        assert_eq!(Month::of(u64::MAX), Month::of(u64::MAX - 1));
    }

    #[test]
    fn a_month_has_one_spelling() {
        for bad in [
            "",
            "2026",
            "2026-7",
            "2026-13",
            "2026-00",
            "1969-12",
            "26-07",
            "+2026-07",
            "02026-07",
            "2026-07-01",
        ] {
            assert_eq!(Month::parse(bad), None, "{bad}");
        }
        assert_eq!(Month::parse("2026-07").map(Month::start_ms), Some(1_782_864_000_000));
    }
}
