//! The order of a graph's steps.

/// A dependency that closes a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    /// Place of the step.
    pub(super) step: usize,
    /// Place of the dependency in the step's list.
    pub(super) dependency: usize,
}

/// An order in which every step comes behind those that it depends on, as near to the given one as possible.
///
/// # Errors
/// A dependency that is part of a cycle.
pub(super) fn order(after: &[Vec<usize>]) -> Result<Vec<usize>, Edge> {
    let mut done = vec![false; after.len()];
    let mut order = Vec::with_capacity(after.len());
    while order.len() < after.len() {
        let ready =
            (0..after.len()).find(|step| !done[*step] && after[*step].iter().all(|before| done[*before]));
        let Some(step) = ready else { return Err(cycle(after, &done)) };
        done[step] = true;
        order.push(step);
    }
    Ok(order)
}

/// An edge on a cycle: every step that is left waits for one that is left, so going back must come round.
fn cycle(after: &[Vec<usize>], done: &[bool]) -> Edge {
    let waits_for = |step: usize| after[step].iter().position(|before| !done[*before]).unwrap_or(0);
    let back = |step: usize| after[step][waits_for(step)];
    let mut step = done.iter().position(|done| !done).unwrap_or(0);
    // After so many steps back, one is on the cycle and not only on a way into it.
    for _ in 0..after.len() {
        step = back(step);
    }
    // The smallest step of the cycle, so that the answer does not depend on where the search began.
    let mut smallest = step;
    let mut next = back(step);
    while next != step {
        smallest = smallest.min(next);
        next = back(next);
    }
    Edge { step: smallest, dependency: waits_for(smallest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_ordered_and_cycles_found() {
        assert_eq!(order(&[vec![], vec![0], vec![0], vec![1, 2]]), Ok(vec![0, 1, 2, 3]));
        assert_eq!(order(&[vec![1], vec![2], vec![]]), Ok(vec![2, 1, 0]));
        assert_eq!(order(&[vec![0]]), Err(Edge { step: 0, dependency: 0 }));
        // Step 0 waits for a cycle and is not part of it.
        assert_eq!(order(&[vec![1], vec![2], vec![1]]), Err(Edge { step: 1, dependency: 0 }));
        assert_eq!(order(&[vec![], vec![0, 2], vec![1]]), Err(Edge { step: 1, dependency: 1 }));
    }
}
