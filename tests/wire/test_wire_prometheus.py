"""Prometheus' text format, judged by prometheus_client."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from shipper.wire.prometheus import family


def test_a_counter_is_written_as_prometheus_writes_it():
    text = family("shipper_rule_hits", "counter", "Records a rule matched.", ("rule",), {("org-admin",): 3})
    assert text == (
        b"# HELP shipper_rule_hits_total Records a rule matched.\n"
        b"# TYPE shipper_rule_hits_total counter\n"
        b'shipper_rule_hits_total{rule="org-admin"} 3.0\n'
    )


@given(
    st.dictionaries(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.text(max_size=5)),
        st.floats(allow_nan=False),
        max_size=4,
    )
)
def test_whatever_the_labels_hold_no_line_is_forged(series):
    series = {key: value for key, value in series.items() if not any("\ud800" <= c <= "\udfff" for c in key[1])}
    text = family("m", "gauge", 'help\\ with "quotes"\nand lines', ("a", "b"), series).decode()
    families = list(text_string_to_metric_families(text))
    assert [each.name for each in families] == ["m"]
    found = {(sample.labels["a"], sample.labels["b"]): sample.value for sample in families[0].samples}
    assert found == series
