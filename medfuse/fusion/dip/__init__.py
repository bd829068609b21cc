"""The deep image prior as an inverse problem: settings, slice order, problem, network, engine, method."""
