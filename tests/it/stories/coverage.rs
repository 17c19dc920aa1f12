//! Every row of both tables is there for a reason: together the stories go through all of them.

use super::*;
use plz_core::{testrun, zone};

#[test]
fn every_row_is_chosen_in_some_story() {
    let stories: &[fn() -> Story] = &[
        runs::a_run_goes_from_listed_to_gone,
        runs::a_user_aborts_while_it_runs,
        runs::a_user_aborts_before_it_starts,
        runs::a_test_run_that_is_kept_stays,
        failures::setup_fails,
        failures::teardown_fails,
        failures::jobs_are_refused,
        deletions::a_test_run_is_deleted_while_it_runs,
        deletions::a_test_run_without_finalizer_is_deleted,
        deletions::let_go_when_new,
        deletions::let_go_when_created,
        deletions::let_go_when_started,
        deletions::let_go_when_stopped,
        failures::a_script_aborts_its_test,
        failures::gck6_is_gone_for_a_while,
        failures::the_api_server_stumbles_over_an_abort,
        failures::the_api_server_stumbles_over_an_abort_in_setup,
        zones::a_zone_comes_and_goes,
        zones::a_zone_is_deleted_with_a_run,
        zones::two_zones_want_one_name,
        names::a_name_is_lost_with_the_token,
        zones::a_secret_comes_late,
        zones::a_spec_is_incomplete,
        runs::a_run_is_taken_over_that_was_started_in_part,
        identity::a_run_is_confirmed_before_its_jobs_are_made,
        identity::a_run_is_confirmed_before_its_start,
        identity::a_run_ends_before_it_is_confirmed,
        identity::a_run_is_deleted_before_it_is_confirmed,
        identity::jobs_are_looked_up_late_before_the_start,
        identity::jobs_are_looked_up_late_in_mid_run,
        identity::jobs_are_looked_up_before_the_start,
        identity::jobs_are_looked_up_in_mid_run,
        identity::jobs_are_looked_up_at_the_end,
        crashes::killed_while_a_runner_is_slow_to_stop,
        zones::the_limits_change,
        zones::a_secret_is_lost_over_a_restart,
        zones::the_finalizer_is_taken_off,
        zones::annotations_of_others_stay,
    ];
    let mut chosen: BTreeMap<Row, u64> = BTreeMap::new();
    for story in stories {
        for (row, count) in story().rows() {
            *chosen.entry(row).or_default() += count;
        }
    }
    let runs = testrun::table::Block::ALL
        .into_iter()
        .flat_map(|block| testrun::table::rows(block).iter().map(move |row| Row::Run(block, row.fact)));
    let zones = zone::table::Block::ALL
        .into_iter()
        .flat_map(|block| zone::table::rows(block).iter().map(move |row| Row::Zone(block, row.fact)));
    let never: Vec<Row> = runs.chain(zones).filter(|row| !chosen.contains_key(row)).collect();
    assert_eq!(never, Vec::new(), "rows that no story goes through");
}
