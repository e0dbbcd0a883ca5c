"""Layer 4 from ConfigMaps and Services: claims of ports, and the winner of each port."""
