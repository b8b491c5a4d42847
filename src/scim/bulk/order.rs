//! In which order operations are done: whatever one refers to is done before it.
//!
//! Refuses nothing: operations that refer to each other in a circle are one step, which is for others to do or to refuse
//! (RFC 7644 §3.7.1).

use std::collections::{BTreeMap, BTreeSet};

use petgraph::graph::{DiGraph, NodeIndex};

/// Operations, by their places, that are done together; mostly one.
pub(super) type Step = Vec<usize>;

/// The steps, for operations of which each refers to those at these places. Where there is a choice, the order is that of the operations.
pub(super) fn order(refers: &[Vec<usize>]) -> Vec<Step> {
    let mut graph = DiGraph::<(), (), usize>::default();
    let nodes: Vec<NodeIndex<usize>> = refers.iter().map(|_| graph.add_node(())).collect();
    for (from, to) in refers.iter().enumerate().flat_map(|(from, all)| all.iter().map(move |to| (from, *to))) {
        graph.add_edge(nodes[from], nodes[to], ());
    }
    // Without recursion, however long a chain somebody sends.
    let mut steps: Vec<Step> = petgraph::algo::kosaraju_scc(&graph)
        .into_iter()
        .map(|nodes| {
            let mut step: Step = nodes.into_iter().map(NodeIndex::index).collect();
            step.sort_unstable();
            step
        })
        .collect();
    steps.sort_unstable();
    sorted(steps, refers)
}

/// Each step after those that it refers to.
fn sorted(steps: Vec<Step>, refers: &[Vec<usize>]) -> Vec<Step> {
    let mut step_of = vec![0; refers.len()];
    for (number, step) in steps.iter().enumerate() {
        for place in step {
            step_of[*place] = number;
        }
    }
    let mut missing = vec![0_usize; steps.len()];
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    for (from, to) in refers.iter().enumerate().flat_map(|(from, all)| all.iter().map(move |to| (from, *to))) {
        if step_of[from] != step_of[to] {
            missing[step_of[from]] += 1;
            dependents[step_of[to]].push(step_of[from]);
        }
    }
    let mut waiting: BTreeMap<usize, Step> = steps.into_iter().enumerate().collect();
    let mut ready: BTreeSet<usize> = (0..missing.len()).filter(|step| missing[*step] == 0).collect();
    let mut sorted = Vec::with_capacity(waiting.len());
    while let Some(next) = ready.pop_first() {
        sorted.extend(waiting.remove(&next));
        for dependent in &dependents[next] {
            missing[*dependent] -= 1;
            if missing[*dependent] == 0 {
                ready.insert(*dependent);
            }
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_referred_to_comes_first_and_circles_are_one_step() {
        let of = |refers: &[&[usize]]| order(&refers.iter().map(|all| all.to_vec()).collect::<Vec<_>>());
        assert_eq!(of(&[&[], &[], &[]]), [vec![0], vec![1], vec![2]]);
        assert_eq!(of(&[&[2], &[], &[]]), [vec![1], vec![2], vec![0]]);
        assert_eq!(of(&[&[1], &[0], &[0, 3], &[3]]), [vec![0, 1], vec![3], vec![2]]);
        assert_eq!(of(&[&[1, 4], &[2], &[0], &[1], &[]]), [vec![4], vec![0, 1, 2], vec![3]]);
    }

    #[test]
    fn the_longest_chain_there_may_be_is_put_in_order() {
        let refers: Vec<Vec<usize>> = (1..=1000).map(|next| if next < 1000 { vec![next] } else { Vec::new() }).collect();
        assert_eq!(order(&refers), (0..1000).rev().map(|place| vec![place]).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn each_is_done_once_and_after_what_it_refers_to(
            refers in proptest::collection::vec(proptest::collection::vec(0_usize..12, 0..4), 12)
        ) {
            let steps = order(&refers);
            let mut all: Vec<usize> = steps.concat();
            for (number, step) in steps.iter().enumerate() {
                for to in step.iter().flat_map(|place| &refers[*place]) {
                    prop_assert!(steps[..=number].iter().flatten().any(|done| done == to), "{:?}: {:?}", refers, steps);
                }
            }
            all.sort_unstable();
            prop_assert_eq!(all, (0..12).collect::<Vec<_>>());
        }
    }
}
