"""What a run folder holds: state, arrays, results, marks, selections, locks. Reading never writes."""
