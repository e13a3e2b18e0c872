//! What models have learnt from, and what was erased.

use super::{
    super::{Outcome, Summary},
    number,
};

/// Of every model it is said what it has learnt from.
pub(crate) fn data_is_known(summary: &Summary) -> Outcome {
    if !summary.models_of_nothing.is_empty() {
        let text = format!(
            "{} without training data or a base model on record",
            number(summary.models_of_nothing.count, "model")
        );
        return Outcome::fail(&summary.models_of_nothing, text);
    }
    let evidence = summary.models.and(&summary.datasets);
    if evidence.is_empty() {
        return Outcome::nothing("no model and no data set is attested");
    }
    let text = format!(
        "{} and {} attested; every model names what it was made from",
        number(summary.models.count, "model"),
        number(summary.datasets.count, "data set"),
    );
    Outcome::pass(evidence, text)
}

/// Erasures are on record: the subject's key is gone, and the log says when.
pub(crate) fn erasures_are_on_record(summary: &Summary) -> Outcome {
    if summary.erasures.is_empty() {
        return Outcome::nothing("no erasure is on record");
    }
    let text = format!("{} on record", number(summary.erasures.count, "erasure"));
    Outcome::pass(&summary.erasures, text)
}

#[cfg(test)]
mod tests {
    use super::super::world::{check, summary, trail};
    use super::*;

    #[test]
    fn lineage() {
        check(
            data_is_known,
            &[
                (Summary::default(), "not_applicable", &[]),
                (summary(|s| (s.models, s.datasets) = (trail(&[5]), trail(&[4]))), "pass", &[4, 5]),
                (summary(|s| (s.models, s.models_of_nothing) = (trail(&[5, 6]), trail(&[6]))), "fail", &[6]),
            ],
        );
    }

    #[test]
    fn erasure() {
        check(
            erasures_are_on_record,
            &[
                (Summary::default(), "not_applicable", &[]),
                (summary(|s| s.erasures = trail(&[5])), "pass", &[5]),
            ],
        );
    }
}
